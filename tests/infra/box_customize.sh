#!/bin/sh
# Turns a fresh Debian 12 in the folder $1 into what a base box is; mmdebstrap runs it after the packages.
# VAGRANT_KEY names Vagrant's public key.
set -eu
root=$1

cat > "$root/etc/fstab" <<'END'
LABEL=raiz / ext4 errors=remount-ro 0 1
END
echo debian > "$root/etc/hostname"
cat > "$root/etc/hosts" <<'END'
127.0.0.1 localhost
127.0.1.1 debian
END

# systemd-networkd, because ifupdown takes twelve seconds of an emulated processor.
cat > "$root/etc/systemd/network/20-eth0.network" <<'END'
[Match]
Name=eth0
[Network]
DHCP=yes
END

# Nobody asks this machine its name over the network, and no port is open for it.
mkdir -p "$root/etc/systemd/resolved.conf.d"
printf '[Resolve]\nLLMNR=no\nMulticastDNS=no\n' > "$root/etc/systemd/resolved.conf.d/quiet.conf"

chroot "$root" useradd --create-home --shell /bin/bash vagrant
echo 'vagrant ALL=(ALL) NOPASSWD: ALL' > "$root/etc/sudoers.d/vagrant"
chmod 0440 "$root/etc/sudoers.d/vagrant"
install -d -m 0700 "$root/home/vagrant/.ssh"
install -m 0600 "$VAGRANT_KEY" "$root/home/vagrant/.ssh/authorized_keys"
chroot "$root" chown -R vagrant:vagrant /home/vagrant/.ssh

# The host's keys are made at the first start: two machines of one box must not share them.
rm -f "$root"/etc/ssh/ssh_host_*_key*
cat > "$root/etc/systemd/system/ssh-host-keys.service" <<'END'
[Unit]
Before=ssh.service
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key
[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -A
[Install]
WantedBy=multi-user.target
END
chroot "$root" systemctl enable systemd-networkd ssh ssh-host-keys
chroot "$root" systemctl mask apt-daily.timer apt-daily-upgrade.timer

mkdir -p "$root/boot/grub"
cat > "$root/boot/grub/grub.cfg" <<END
set timeout=0
menuentry debian {
  search --no-floppy --label raiz --set=root
  linux /boot/$(basename "$root"/boot/vmlinuz-*) root=LABEL=raiz ro net.ifnames=0 console=ttyS0 quiet mitigations=off
  initrd /boot/$(basename "$root"/boot/initrd.img-*)
}
END
: > "$root/etc/machine-id"
