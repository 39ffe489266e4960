"""Apps on the phone of the tests: `cmd package`, `run-as` and `am instrument`, written from AOSP's sources.

What an app would do is done by its plain Java classes on this machine's Java, with the native runner for this
machine in the place of ExecuTorch's Java library. Signature, least Android and debuggability are read from
the .apk by Android's own tools.
"""

import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

from desktop_java import MAIN, TESTS, compile_java
from offline.apk import RUNNER, build_apk, sign_apk
from offline.parts import find_parts

from edgeq.runner import EXECUTORCH
from edgeq.runner.build import build_runner, host_arch
from phone_peers.phone import Phone

# PackageManagerShellCommand.doRunInstall and doUninstall; `refusal` is what another phone would say.
_CMD = """
[ "$1" = package ] || { echo "cmd: Can't find service: $1" >&2; exit 20; }
new=/data/app/new.apk
fail() { rm -f "$new"; echo "Failure [$1]"; exit 1; }
case $2 in
  install)
    while [ "$1" != -S ]; do shift; done
    mkdir -p /data/app && head -c "$2" >"$new"
    [ ! -f /system/app/refusal ] || fail "$(cat /system/app/refusal)"
    apksigner verify --print-certs "$new" >"$new.certs" 2>&1 ||
      fail "INSTALL_PARSE_FAILED_NO_CERTIFICATES: Failed to collect certificates from base.apk"
    aapt dump badging "$new" >"$new.badging"
    name=$(sed -n "s/^package: name='\\([^']*\\)'.*/\\1/p" "$new.badging")
    least=$(sed -n "s/^sdkVersion:'\\(.*\\)'/\\1/p" "$new.badging") have=$(getprop ro.build.version.sdk)
    [ "$least" -le "$have" ] ||
      fail "INSTALL_FAILED_OLDER_SDK: Requires newer sdk version #$least (current version is #$have)"
    old=/data/app/$name.apk
    [ ! -f "$old" ] || cmp -s "$old.certs" "$new.certs" ||
      fail "INSTALL_FAILED_UPDATE_INCOMPATIBLE: Existing package $name signatures do not match newer version"
    for part in "" .certs .badging; do mv "$new$part" "$old$part"; done
    mkdir -p "/data/user/0/$name" && echo Success ;;
  uninstall)
    [ -f "/data/app/$3.apk" ] || fail DELETE_FAILED_INTERNAL_ERROR
    rm -rf "/data/app/$3.apk"* "/data/user/0/$3" && echo Success ;;
esac
"""
# system/core/run-as/run-as.cpp: its checks in their order, then a shell in the app's folder.
_RUN_AS = """
name=$1; shift
[ -f "/data/app/$name.apk" ] || { echo "run-as: unknown package: $name" >&2; exit 1; }
grep -qx application-debuggable "/data/app/$name.apk.badging" ||
  { echo "run-as: package not debuggable: $name" >&2; exit 1; }
cd "/data/user/0/$name" && exec "$@"
"""
# frameworks/base/cmds/am, Instrument.java.
_AM = """
[ "$1" = instrument ] || exit 1
component= job= result=
while [ $# -gt 0 ]; do
  [ "$1" != -e ] || { eval "$2=\\$3"; shift 2; }
  component=$1; shift
done
name=${component%%/*} known=edgeq.runner/edgeq.runner.app.RunnerInstrumentation
if [ ! -f "/data/app/$name.apk" ] || [ "$component" != "$known" ]; then
  echo "INSTRUMENTATION_STATUS: Error=Unable to find instrumentation info for: ComponentInfo{$component}"
  echo "INSTRUMENTATION_STATUS_CODE: -1"
  echo "android.util.AndroidException: INSTRUMENTATION_FAILED: $component" >&2
  exit 1
fi
cd "/data/user/0/$name"
if said=$(java -XX:TieredStopAtLevel=1 -cp /system/app/classes edgeq.runner.StandIn /system/app/edgeq-runner \
  EXECUTORCH "$job" "$result" 2>/system/app/errors); then
  echo "$said" | sed 's/^/INSTRUMENTATION_RESULT: /'
  echo "INSTRUMENTATION_CODE: -1"
else
  echo "INSTRUMENTATION_RESULT: shortMsg=Process crashed."
  echo "INSTRUMENTATION_CODE: 0"
fi
""".replace("EXECUTORCH", EXECUTORCH)


def add_apps(phone: Phone) -> Path:
    """Let apps be installed and instrumented on `phone`; the folder of what it is told to do."""
    system = phone.folder / "system"
    for name, script in {"cmd": _CMD, "run-as": _RUN_AS, "am": _AM}.items():
        (system / "bin" / name).write_text(f"#!/bin/sh\n{script}")
        (system / "bin" / name).chmod(0o755)
    compile_java(
        system / "app/classes",
        [*MAIN.glob("*.java"), *(TESTS / f"{name}.java" for name in ("Doubler", "DesktopMachine"))]
        + [TESTS / f"{name}.java" for name in ("HostProgram", "StandIn")],
    )
    bundle = build_runner(EXECUTORCH, host_arch())
    shutil.copy(bundle.runner, system / "app")
    (system / "app/lib").mkdir()
    for library in bundle.libraries:
        shutil.copy(library, system / "app/lib")
    return system / "app"


def make_apk(target: Path, *, debuggable: bool = True) -> Path:
    """The runner's app signed by a new key, with a file that is no library in the place of ExecuTorch's."""
    app = replace(RUNNER, debuggable=debuggable)
    packed = target.with_suffix(".packed")
    with zipfile.ZipFile(build_apk(app, find_parts())) as built, zipfile.ZipFile(packed, "w") as archive:
        for info in built.infolist():
            if not info.filename.startswith("META-INF/"):
                archive.writestr(info, built.read(info))
        archive.writestr("lib/arm64-v8a/libexecutorch.so", "no library: this app is for tests only")
    sign_apk(packed, target)
    return target
