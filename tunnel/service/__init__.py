"""The program as a service of the system: systemd's unit for it, and what systemd is told while it runs.

Map
    ``notify``  the datagrams of sd_notify(3): readiness, status, watchdog; nothing where systemd did not ask
    ``story``   which of the program's events systemd is told, and in which words
    ``words``   the options that were given, taken apart again
    ``unit``    a sandboxed unit for exactly those options, from the templates of ``tunnel/units``
    ``host``    puts units in place, takes them away and says how they are, by systemctl
"""
