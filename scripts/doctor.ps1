# scripts\doctor.ps1: looks at this computer and says, in Spanish, what would keep `vagrant up` from working and how
# to mend it. Windows PowerShell 5.1 is enough. The findings, their judgement and their words are those of
# scripts/doctor; the words are in doctor.mensajes.
#
#   .\scripts\doctor.ps1                  looks at this computer
#   .\scripts\doctor.ps1 -Hechos FILE     judges the findings of FILE (key=value lines) instead
#   .\scripts\doctor.ps1 -SoloHechos      prints the findings of this computer and judges nothing
#
# Exit codes: 0 nothing stops the course, 1 something does, 2 wrong usage.
# If Windows refuses to run it: powershell -ExecutionPolicy Bypass -File scripts\doctor.ps1
[CmdletBinding()]
param([string]$Hechos, [switch]$SoloHechos)

Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'
[Console]::OutputEncoding = New-Object System.Text.UTF8Encoding $false

$here = Split-Path -Parent $MyInvocation.MyCommand.Path
$requiredMb = 2304
$guestsMb = 1280
$diskMb = 6000
$script:failures = 0
$script:notices = 0

# --- findings ------------------------------------------------------------------------------------------------

function Test-Program([string]$Name) { $null -ne (Get-Command $Name -ErrorAction SilentlyContinue) }

# What a command prints, or nothing when it cannot be run.
function Get-Output([scriptblock]$Command) {
    try { (& $Command 2>$null | Out-String) } catch { '' }
}

function Get-VersionIn([string]$Text) {
    if ($Text -match '\d+\.\d+(\.\d+)?') { $Matches[0] } else { 'desconocido' }
}

# Where VirtualBox is, although its installer leaves it off PATH.
function Get-VirtualBox {
    if (Test-Program 'VBoxManage') { return 'VBoxManage' }
    $path = Join-Path $env:ProgramFiles 'Oracle\VirtualBox\VBoxManage.exe'
    if (Test-Path $path) { return $path }
    return $null
}

function Get-Processor {
    if ($env:PROCESSOR_ARCHITECTURE -eq 'ARM64') { 'arm64' } else { 'x86_64' }
}

# With a hypervisor running the processor no longer tells: then it is on.
function Get-Virtualization {
    try {
        if ((Get-CimInstance Win32_ComputerSystem).HypervisorPresent) { return 'si' }
        $enabled = @(Get-CimInstance Win32_Processor)[0].VirtualizationFirmwareEnabled
        if ($enabled) { return 'si' } else { return 'no' }
    } catch { return 'desconocido' }
}

function Get-HyperV {
    try { if ((Get-CimInstance Win32_ComputerSystem).HypervisorPresent) { 'si' } else { 'no' } } catch { 'desconocido' }
}

function Get-Providers([string]$VirtualBox) {
    $found = @()
    if ($VirtualBox) { $found += 'virtualbox' }
    if ((Test-Program 'vmrun') -or (Test-Path (Join-Path ${env:ProgramFiles(x86)} 'VMware\VMware Workstation'))) {
        $found += 'vmware_desktop'
    }
    if ((Test-Program 'docker') -or (Test-Program 'podman')) { $found += 'docker' }
    if ($found.Count -eq 0) { 'no' } else { $found -join ' ' }
}

function Get-PortOwner([int]$Port) {
    try {
        $taken = @(Get-NetTCPConnection -State Listen -LocalPort $Port -ErrorAction Stop)
        $name = (Get-Process -Id $taken[0].OwningProcess -ErrorAction SilentlyContinue).ProcessName
        if ($name) { $name } else { 'otro programa' }
    } catch { 'libre' }
}

# Without user and password, which a proxy's address may carry.
function Get-Proxy {
    foreach ($name in 'HTTPS_PROXY', 'HTTP_PROXY') {
        $address = [Environment]::GetEnvironmentVariable($name)
        if ($address) { return ($address -replace '//[^@/]*@', '//') }
    }
    $settings = Get-ItemProperty 'HKCU:\Software\Microsoft\Windows\CurrentVersion\Internet Settings' -ErrorAction SilentlyContinue
    if ($settings -and $settings.PSObject.Properties['ProxyEnable'] -and $settings.ProxyEnable) {
        return [string]$settings.ProxyServer
    }
    return 'no'
}

# How many of the files that Linux will run have CRLF endings.
function Get-CrlfCount {
    $root = Split-Path -Parent $here
    $files = @(Get-ChildItem -File $here | Where-Object { $_.Extension -ne '.ps1' })
    foreach ($pattern in 'ansible\*.sh', 'ansible\*.yml', 'requirements.lock') {
        $files += @(Get-ChildItem -File (Join-Path $root $pattern) -ErrorAction SilentlyContinue)
    }
    $count = 0
    foreach ($file in $files) {
        $bytes = [IO.File]::ReadAllBytes($file.FullName)
        if ([Text.Encoding]::ASCII.GetString($bytes).Contains("`r`n")) { $count++ }
    }
    $count
}

# no, or the card through which 192.168.56.20 would be reached when it is not one of a virtualiser's own.
function Get-NetworkOwner {
    try {
        $found = @(Find-NetRoute -RemoteIPAddress '192.168.56.20' -ErrorAction Stop)
        $default = @(Find-NetRoute -RemoteIPAddress '192.0.2.1' -ErrorAction SilentlyContinue)
        $card = $found[0].InterfaceAlias
        if ($default.Count -gt 0 -and $card -eq $default[0].InterfaceAlias) { return 'no' }
        if ($card -match 'VirtualBox|VMware|vEthernet|Loopback') { return 'no' }
        return $card
    } catch { return 'no' }
}

function Get-Findings {
    $virtualBox = Get-VirtualBox
    $system = Get-CimInstance Win32_OperatingSystem
    $drive = Get-PSDrive -Name (Split-Path -Qualifier $here).TrimEnd(':')
    @(
        'so=windows'
        "cpu=$(Get-Processor)"
        "virtualizacion=$(Get-Virtualization)"
        "hyperv=$(Get-HyperV)"
        "vagrant=$(if (Test-Program 'vagrant') { Get-VersionIn (Get-Output { vagrant --version }) } else { 'no' })"
        "virtualbox=$(if ($virtualBox) { Get-VersionIn (Get-Output { & $virtualBox --version }) } else { 'no' })"
        "proveedores=$(Get-Providers $virtualBox)"
        "memoria_mb=$([int]($system.TotalVisibleMemorySize / 1024))"
        "memoria_libre_mb=$([int]($system.FreePhysicalMemory / 1024))"
        "disco_mb=$([int]($drive.Free / 1048576))"
        "puerto_5000=$(Get-PortOwner 5000)"
        "puerto_8000=$(Get-PortOwner 8000)"
        "proxy=$(Get-Proxy)"
        "crlf=$(Get-CrlfCount)"
        "ruta=$(Split-Path -Parent $here)"
        "red_56=$(Get-NetworkOwner)"
    )
}

# --- judgement -----------------------------------------------------------------------------------------------

$script:messages = @{}
foreach ($line in Get-Content -Encoding UTF8 (Join-Path $here 'doctor.mensajes')) {
    if ($line.StartsWith('#')) { continue }
    $parts = $line.Split('|', 4)
    $script:messages[$parts[0]] = $parts
}

# Prints the message of a code, with its remedy.
function Write-Finding([string]$Code, [string]$Value) {
    $parts = $script:messages[$Code]
    if ($parts[1] -eq 'falla') {
        $script:failures++
        $word = 'FALLA'
    } else {
        $script:notices++
        $word = 'AVISO'
    }
    Write-Output "$word  $($parts[2].Replace('{1}', $Value))"
    Write-Output "       $($parts[3])"
}

# The value of a finding; empty when it is not known.
function Get-Value([string]$Key) {
    foreach ($line in $script:facts) {
        if ($line.StartsWith("$Key=")) {
            $found = $line.Substring($Key.Length + 1)
            if ($found -ne 'desconocido') { return $found }
        }
    }
    return ''
}

function Test-Older([string]$Version, [string]$Than) {
    $a = $Version; if (($a.Split('.')).Count -eq 2) { $a = "$a.0" }
    $b = $Than; if (($b.Split('.')).Count -eq 2) { $b = "$b.0" }
    [version]$a -lt [version]$b
}

function Test-Less([string]$Value, [int]$Limit) { $Value -and ([int]$Value -lt $Limit) }

function Write-Judgement {
    $cpu = Get-Value 'cpu'
    $vagrant = Get-Value 'vagrant'
    $virtualBox = Get-Value 'virtualbox'

    if ((Get-Value 'virtualizacion') -eq 'no') { Write-Finding 'virtualizacion' '' }
    if ((Get-Value 'hyperv') -eq 'si') { Write-Finding 'hyperv' '' }

    if ($vagrant -eq 'no') { Write-Finding 'vagrant-falta' '' }
    elseif ($vagrant -and (Test-Older $vagrant '2.3.4')) { Write-Finding 'vagrant-viejo' $vagrant }
    elseif ($vagrant -and $cpu -eq 'arm64' -and (Test-Older $vagrant '2.4.0')) { Write-Finding 'vagrant-arm' $vagrant }

    if ((Get-Value 'proveedores') -eq 'no') { Write-Finding 'proveedor-falta' '' }
    if ($virtualBox -and $virtualBox -ne 'no') {
        if ($cpu -eq 'arm64' -and (Test-Older $virtualBox '7.1.6')) { Write-Finding 'virtualbox-arm' $virtualBox }
        elseif (Test-Older $virtualBox '6.1') { Write-Finding 'virtualbox-viejo' $virtualBox }
    }

    if (Test-Less (Get-Value 'memoria_mb') $requiredMb) { Write-Finding 'memoria' (Get-Value 'memoria_mb') }
    elseif (Test-Less (Get-Value 'memoria_libre_mb') $guestsMb) { Write-Finding 'memoria-libre' (Get-Value 'memoria_libre_mb') }
    if (Test-Less (Get-Value 'disco_mb') $diskMb) { Write-Finding 'disco' (Get-Value 'disco_mb') }

    foreach ($port in 5000, 8000) {
        $owner = Get-Value "puerto_$port"
        if ($owner -and $owner -ne 'libre') { Write-Finding "puerto-$port" $owner }
    }
    $proxy = Get-Value 'proxy'
    if ($proxy -and $proxy -ne 'no') { Write-Finding 'proxy' $proxy }
    $crlf = Get-Value 'crlf'
    if ($crlf -and $crlf -ne '0') { Write-Finding 'crlf' $crlf }
    $path = Get-Value 'ruta'
    if ($path -match '[^\]A-Za-z0-9_.,:/\\~+=@-]') { Write-Finding 'ruta' $path }
    $card = Get-Value 'red_56'
    if ($card -and $card -ne 'no') { Write-Finding 'red-56' $card }
}

if ($SoloHechos) {
    Get-Findings
    exit 0
}
if ($Hechos) {
    if (-not (Test-Path $Hechos)) {
        [Console]::Error.WriteLine("No existe el archivo de hechos: $Hechos")
        exit 2
    }
    $script:facts = @(Get-Content -Encoding UTF8 $Hechos)
} else {
    $script:facts = @(Get-Findings)
}

Write-Judgement
if ($script:failures -eq 0 -and $script:notices -eq 0) {
    Write-Output 'Todo en orden. Siguiente orden: vagrant up; vagrant ssh'
} elseif ($script:failures -eq 0) {
    Write-Output 'Nada impide empezar. Siguiente orden: vagrant up; vagrant ssh'
} else {
    $things = if ($script:failures -eq 1) { '1 cosa' } else { "$($script:failures) cosas" }
    Write-Output "Hay $things que arreglar antes de vagrant up."
    exit 1
}
