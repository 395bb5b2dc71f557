//! Have the program built again when a file changes that `include_dir!` embeds: the macro names the files to the
//! compiler, but not the folders, so a file that is new would go unseen.

/// Folders whose content is part of the program.
const EMBEDDED: [&str; 4] = ["sample_tasks", "src/agent/scaffolds", "themes", "keymaps"];

fn main() {
    for folder in EMBEDDED {
        // A path that does not exist would have the script run at every build.
        if std::path::Path::new(folder).exists() {
            println!("cargo::rerun-if-changed={folder}");
        }
    }
    println!("cargo::rerun-if-changed=build.rs");
}
