"""Android's services on the phone of the tests, as far as a shell asks them; written from AOSP's sources.

They keep what they are told in files of the phone's system folder. The power meter counts what a phone would
take that draws `WATTS` all the time.
"""

import shutil
from pathlib import Path

from phone_peers.phone import Phone

TEXTS = Path(__file__).parents[1] / "fixtures/android"
WATTS, CPU_WATTS = 2.0, 1.5
METER = "android.hardware.power.stats.IPowerStats"
_STATE = "/system/state"

_METER = f"""#!/bin/sh
awk '{{ printf "  [S4M_VDD_CPUCL0]:CPU  %.2f mWs\\n  [L2S_UFS]:UFS  %.2f mWs\\n",
  $1 * {CPU_WATTS * 1000}, $1 * {(WATTS - CPU_WATTS) * 1000} }}' /proc/uptime
"""
_SHIMS = {
    # SettingsService: an unset value is the word null.
    "settings": f"""f="{_STATE}/setting.$3"
case $1 in
  get) cat "$f" 2>/dev/null || echo null ;;
  put) echo "$4" >"$f" ;;
  delete) rm -f "$f" ;;
esac""",
    "setprop": f'echo "$2" >"{_STATE}/property.$1"',
    "getprop": f'if [ $# -eq 0 ]; then cat /system/props; elif [ -f "{_STATE}/property.$1" ]; then '
    f'cat "{_STATE}/property.$1"; else sed -n "s/^\\[$1\\]: \\[\\(.*\\)\\]$/\\1/p" /system/props; fi',
    # PowerManagerShellCommand.
    "cmd": f"""[ "$1" = power ] || {{ echo "cmd: Can't find service: $1" >&2; exit 20; }}
case $2 in
  help) echo "  set-fixed-performance-mode-enabled [true|false]" ;;
  set-fixed-performance-mode-enabled)
    [ ! -f {_STATE}/no-fixed ] || {{ echo "Failed to set FIXED_PERFORMANCE mode" >&2; exit 255; }}
    echo "$3" >{_STATE}/fixed ;;
esac""",
}


def add_services(phone: Phone) -> Path:
    """Give `phone` its services; the folder of their state."""
    system = phone.folder / "system"
    for name, script in _SHIMS.items():
        (system / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
        (system / "bin" / name).chmod(0o755)
    for name in ("battery", "thermalservice", "power"):
        shutil.copy(TEXTS / f"{name}.txt", system / f"dumpsys.{name}")
    meter = system / f"dumpsys.{METER}"
    meter.write_text(_METER)
    meter.chmod(0o755)
    (system / "state").mkdir()
    return system / "state"
