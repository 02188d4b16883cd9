from __future__ import annotations

import platform
import subprocess
from pathlib import Path

from bundler.base.libraries import TARGET_HAS, Libraries, graft
from bundler.elf.info import read_elf_file


def compiled(cc: str, folder: Path, name: str, *needs: str) -> Path:
    """A library ``name`` in ``folder`` that calls a function of each library in ``needs``."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = name.split(".")[0]
    calls = "".join(f"int {need}(void);" for need in needs)
    body = "+".join(["1", *(f"{need}()" for need in needs)])
    (folder / f"{stem}.c").write_text(f"{calls} int {stem}(void) {{ return {body}; }}")
    libraries = [f"-l:{need}.so" for need in needs]
    subprocess.run(
        [cc, "-shared", "-fPIC", "-o", name, f"{stem}.c", f"-L{folder}", *libraries,
         f"-Wl,-soname,{name}", "-Wl,-rpath,/opt/of/this/machine"],
        cwd=folder,
        check=True,
    )  # fmt: skip
    return folder / name


def finder(sysroot: Path) -> Libraries:
    return Libraries(platform.machine(), sysroot)


def test_libraries_and_theirs_come_along_with_relative_runpaths(cc: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    inner = compiled(cc, root / "usr/lib", "inner.so")
    outer = compiled(cc, root / "usr/lib", "outer.so", "inner")
    module = compiled(cc, root / "usr/lib", "module.so", "outer")
    grafted = graft({"lib/python3/x/module.so": module}, finder(root), tmp_path / "staging")
    assert set(grafted.files) == {"lib/python3/x/module.so", "lib/outer.so", "lib/inner.so"}
    assert grafted.sources == (inner, outer)
    runpaths = {
        name: info.runpath
        for name, path in grafted.files.items()
        if (info := read_elf_file(path)) is not None
    }
    assert runpaths == {
        "lib/python3/x/module.so": ("$ORIGIN/../..",),
        "lib/outer.so": ("$ORIGIN",),
        "lib/inner.so": (),
    }
    assert not [path for path in grafted.files.values() if path.is_relative_to(root)]


def test_a_library_of_the_prefix_is_not_taken_from_the_machine(cc: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    own = compiled(cc, tmp_path / "own", "inner.so")
    compiled(cc, root / "usr/lib", "inner.so")
    module = compiled(cc, root / "usr/lib", "module.so", "inner")
    files = {"lib/sub/inner.so": own, "lib/python3/module.so": module}
    grafted = graft(files, finder(root), tmp_path / "staging")
    assert grafted.sources == ()
    info = read_elf_file(grafted.files["lib/python3/module.so"])
    assert info is not None
    assert info.runpath == ("$ORIGIN/../sub",)


def test_a_module_whose_library_is_missing_is_left_out_with_the_reason(
    cc: str, tmp_path: Path
) -> None:
    module = compiled(cc, tmp_path / "a", "gone.so")
    user = compiled(cc, tmp_path / "a", "module.so", "gone")
    module.unlink()
    grafted = graft({"lib/module.so": user}, finder(tmp_path / "root"), tmp_path / "staging")
    assert grafted.files == {}
    assert grafted.unusable == {"lib/module.so": "gone.so"}


def test_ld_so_conf_and_absolute_links_stay_inside_the_sysroot(cc: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    compiled(cc, root / "opt/real", "odd.so")
    (root / "etc/ld.so.conf.d").mkdir(parents=True)
    (root / "etc/ld.so.conf").write_text("# ours\ninclude /etc/ld.so.conf.d/*.conf\n")
    (root / "etc/ld.so.conf.d/odd.conf").write_text("/opt/odd # here\n")
    (root / "opt/odd").mkdir()
    (root / "opt/odd/odd.so").symlink_to("/opt/real/odd.so")
    found = finder(root).find("odd.so", tmp_path / "x.so")
    assert found == root / "opt/real/odd.so"


def test_libraries_of_another_architecture_are_passed_over(cc: str, tmp_path: Path) -> None:
    compiled(cc, tmp_path / "usr/lib", "odd.so")
    other = "aarch64" if platform.machine() == "x86_64" else "x86_64"
    assert Libraries(other, tmp_path).find("odd.so", tmp_path / "x.so") is None


def test_every_target_has_the_c_library_and_no_more_than_the_policy_allows() -> None:
    assert "libc.so.6" in TARGET_HAS
    assert not {"libz.so.1", "libssl.so.3", "libcrypt.so.1", "libffi.so.8"} & TARGET_HAS
