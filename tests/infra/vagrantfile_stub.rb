# frozen_string_literal: true

# Loads the Vagrantfile without Vagrant and prints, as JSON, what each machine would be told for one provider.
#
#   ruby vagrantfile_stub.rb VAGRANTFILE PROVIDER
#   ruby vagrantfile_stub.rb VAGRANTFILE memory          what it says of the host's memory, or null
#   ruby vagrantfile_stub.rb VAGRANTFILE ports FOLDER    where a libvirt machine's forwards go; FOLDER is its data
#
# A provider's block runs against an object that knows only the settings that the provider documents: a misspelt one
# raises. The settings of the plugins that cannot be installed here were copied from their documentation by hand.

require "json"
require "pathname"

SETTINGS = {
  "virtualbox" => %i[name memory cpus linked_clone check_guest_additions customize gui],
  "vmware_desktop" => %i[gui linked_clone vmx allowlist_verified],
  "parallels" => %i[name memory cpus linked_clone update_guest_tools check_guest_tools customize],
  "utm" => %i[name memory cpus directory_share_mode check_guest_additions notes icon wait_time customize],
  "libvirt" => %i[memory cpus driver cpu_mode cpu_model machine_arch management_network_name uri],
  "qemu" => %i[memory smp ssh_port advanced_network net_mode arch machine cpu net_device extra_qemu_args],
  "docker" => %i[image has_ssh privileged name create_args cmd build_dir pull remains_running],
}.freeze

# An object with a closed list of settings, all recorded.
class Recorder
  attr_reader :values

  def initialize(what, known)
    @what = what
    @known = known
    @values = Hash.new { |hash, key| hash[key] = {} if key == :vmx }
  end

  def method_missing(name, *arguments)
    setting = name.to_s.delete_suffix("=").to_sym
    raise NoMethodError, "#{@what} has no setting #{setting}" unless @known.include?(setting)

    name.to_s.end_with?("=") ? @values[setting] = arguments.first : @values[setting]
  end

  def respond_to_missing?(*) = true
end

class Vm < Recorder
  attr_reader :networks, :provisioners, :folders, :provider_blocks, :machines

  def initialize
    super("config.vm", %i[box box_version box_check_update boot_timeout hostname])
    @networks = []
    @provisioners = []
    @folders = []
    @provider_blocks = {}
    @machines = {}
  end

  def network(kind, **options) = @networks << [kind, options]
  def synced_folder(*paths, **options) = @folders << [paths, options]
  def provider(name, &block) = @provider_blocks[name] = block

  def provision(name, **options, &block)
    settings = Recorder.new("the provisioner #{name}", %i[compatibility_mode become playbook groups extra_vars
                                                          config_file install])
    block&.call(settings)
    @provisioners << [name, options.merge(settings.values)]
  end

  def define(name, **options, &block)
    config = Config.new
    block.call(config)
    @machines[name] = [options, config]
  end
end

class Trigger < Recorder
  def initialize = super("a trigger", %i[name only_on])
  def ruby(&block) = block
end

class Triggers
  def before(*) = yield(Trigger.new)
  def after(*) = yield(Trigger.new)
end

class Config
  attr_reader :vm, :trigger

  def initialize
    @vm = Vm.new
    @trigger = Triggers.new
  end
end

module Vagrant
  module Errors
    class VagrantError < StandardError; end
  end

  module Util
    module Platform
      def self.darwin? = false
      def self.windows? = false
    end
  end

  def self.require_version(*) = nil

  def self.configure(_version)
    @config = Config.new
    yield(@config)
  end

  def self.config = @config
end

path, provider = ARGV
load(path)

if provider == "memory"
  begin
    Tunelab.check_memory
  rescue Tunelab::Aviso => e
    puts JSON.generate(e.message)
    exit
  end
  puts "null"
  exit
end

if provider == "ports"
  networks = JSON.parse($stdin.read).map do |options|
    [:forwarded_port, options.transform_keys(&:to_sym)]
  end
  vm = Struct.new(:networks).new(networks)
  config = Struct.new(:vm).new(vm)
  machine = Struct.new(:provider_name, :data_dir, :config).new(:libvirt, Pathname.new(ARGV[2]), config)
  Tunelab.move_taken_ports(machine)
  puts JSON.generate({ chosen: networks.map { |_, options| options[:host] }, forwarded: Tunelab.forwarded(machine) })
  exit
end

found = Vagrant.config.vm.machines.transform_values do |options, config|
  override = Config.new
  settings = Recorder.new(provider, SETTINGS.fetch(provider))
  config.vm.provider_blocks.fetch(provider).call(settings, override)
  {
    options: options,
    settings: settings.values,
    networks: config.vm.networks + override.vm.networks,
    folders: override.vm.folders,
    provisioners: config.vm.provisioners,
    hostname: config.vm.values[:hostname],
  }
end
puts JSON.generate(box: Vagrant.config.vm.values, machines: found)
