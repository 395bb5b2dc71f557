//! Have the program built again when a file changes that `include_dir!` embeds (the macro names the files to the compiler,
//! but not the folders, so a file that is new would go unseen), and have it linked so that its start touches little of its
//! file: with a packed table of relocations where the C library reads one, and with what the start runs side by side.

use std::process::Command;

/// Folders whose content is part of the program.
const EMBEDDED: [&str; 4] = ["sample_tasks", "src/agent/scaffolds", "themes", "keymaps"];

/// What the workbench's start runs, for the linker; made by `link/trace-start`.
const START: &str = "link/start.ld";

/// The first glibc that reads packed relative relocations (`DT_RELR`).
const PACKED_SINCE: (u32, u32) = (2, 36);

fn main() {
    for folder in EMBEDDED {
        // A path that does not exist would have the script run at every build.
        if std::path::Path::new(folder).exists() {
            println!("cargo::rerun-if-changed={folder}");
        }
    }
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={START}");
    // The plain table is 1.7 MB that every start reads, and that stays in memory; packed it is a hundredth of that.
    if is_own_linux_with_glibc() && glibc().is_some_and(|version| version >= PACKED_SINCE) {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    // What the start runs is a tenth of the program and lies all over it: side by side it takes 4.5 MB less of memory.
    // Tried where it says: a list that a linker does not understand would be no program at all.
    let is_tried = is("PROFILE", "release") && is("CARGO_CFG_TARGET_ARCH", "x86_64");
    if is_tried && is_own_linux_with_glibc() && !is_linker_chosen() {
        let folder = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo::rustc-link-arg-bins=-T{folder}/{START}");
    }
}

fn is(name: &str, value: &str) -> bool {
    std::env::var(name).is_ok_and(|found| found == value)
}

/// Whether somebody chose a linker: not each reads the list (mold refuses it).
fn is_linker_chosen() -> bool {
    println!("cargo::rerun-if-env-changed=CARGO_ENCODED_RUSTFLAGS");
    let flags = std::env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    std::env::var_os("RUSTC_LINKER").is_some()
        || ["fuse-ld", "linker"]
            .iter()
            .any(|word| flags.contains(word))
}

/// Whether the program is for the kind of machine that builds it, with glibc.
fn is_own_linux_with_glibc() -> bool {
    let own = matches!((std::env::var("HOST"), std::env::var("TARGET")), (Ok(host), Ok(target)) if host == target);
    own && is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu")
}

/// The version that `getconf` tells: `glibc 2.36`.
fn glibc() -> Option<(u32, u32)> {
    let told = Command::new("getconf")
        .arg("GNU_LIBC_VERSION")
        .output()
        .ok()?;
    let told = String::from_utf8(told.stdout).ok()?;
    let (major, minor) = told.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
