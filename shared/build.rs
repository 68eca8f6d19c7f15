//! Embeds the templates: the folder is the list, so a new language is a new folder and nothing else.

use std::fmt::Write;
use std::fs;
use std::path::Path;

fn main() -> std::io::Result<()> {
    // Not `env!`: worktrees that share a target directory would find each other's folder in the compiled script.
    let package =
        std::env::var_os("CARGO_MANIFEST_DIR").ok_or_else(|| std::io::Error::other("cargo sets it"))?;
    let root = Path::new(&package).join("templates");
    println!("cargo::rerun-if-changed={}", root.display());
    let mut templates = Vec::new();
    collect(&root, "", &mut templates)?;
    templates.sort();

    let mut locales: Vec<&str> =
        templates.iter().filter_map(|name| name.strip_suffix("/sign-up/subject.txt")).collect();
    locales.sort_unstable();

    let mut code = format!("pub(crate) static LOCALES: &[&str] = &{locales:?};\n");
    code.push_str("pub(crate) static TEMPLATES: &[(&str, &str)] = &[\n");
    for name in &templates {
        let path = root.join(name);
        let path = path.to_string_lossy().into_owned();
        writeln!(code, "    ({name:?}, include_str!({path:?})),").map_err(std::io::Error::other)?;
    }
    code.push_str("];\n");
    let out = std::env::var_os("OUT_DIR").ok_or_else(|| std::io::Error::other("cargo sets OUT_DIR"))?;
    fs::write(Path::new(&out).join("templates.rs"), code)
}

fn collect(folder: &Path, prefix: &str, templates: &mut Vec<String>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{name}/"), templates)?;
        } else if name.ends_with(".txt") || name.ends_with(".html") {
            templates.push(name);
        }
    }
    Ok(())
}
