//! Inlined functions of Rust by their paths. Where debug information has no linker's name for an inlined call, profilers give
//! the function's own name alone (`park`, `HeaderValue::from_str`); the file that it is in tells whose it is.

use crate::formats::pprof::Profile;

/// Directories that hold the sources of libraries: cargo's registry, its checkouts, copies of both, and the toolchain's own.
const LIBRARIES: [&str; 5] =
    ["/registry/src/", "/git/checkouts/", "/vendor/", "/rustc/", "/rustlib/src/rust/library/"];
/// Longest file name that is looked at, in bytes.
const LONGEST: usize = 4_096;

/// Puts crate and modules before names that have none. What one symbol is called depends on nothing but itself, so that
/// profiles stay comparable.
pub(super) fn qualify(profile: &mut Profile) {
    for symbol in &mut profile.symbols {
        if !symbol.name.is_empty()
            && !has_path(&symbol.name)
            && let Some(path) = path(&symbol.file)
        {
            symbol.name = format!("{path}::{}", symbol.name);
        }
    }
}

/// Whether a name begins with a crate or with a type in full, `<T as Trait>::f`. A type alone begins with a capital.
fn has_path(name: &str) -> bool {
    if name.starts_with(['<', '&', '(', '[']) {
        return true;
    }
    let end = name.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(name.len());
    name[end..].starts_with("::") && !name.starts_with(char::is_uppercase)
}

/// Crate and modules of a Rust source file; `crate` of what is no library's, which no module of the application can be mistaken for.
fn path(file: &str) -> Option<String> {
    let stem = file.strip_suffix(".rs").filter(|_| file.len() <= LONGEST)?;
    let (root, inside) = match stem.rfind("/src/") {
        Some(at) => (&stem[..at], &stem[at + "/src/".len()..]),
        None => ("", stem.strip_prefix("src/").unwrap_or(stem.rsplit('/').next()?)),
    };
    let library = LIBRARIES.iter().any(|l| file.contains(l));
    let krate = if library { package(root) } else { "crate".to_owned() };
    let modules = inside.split('/').filter(|m| !matches!(*m, "" | "mod" | "lib" | "main"));
    Some(std::iter::once(krate.as_str()).chain(modules).collect::<Vec<_>>().join("::"))
}

/// The crate in a directory such as `hyper-util-0.1.9` or `library/core`.
fn package(root: &str) -> String {
    let last = root.rsplit('/').next().unwrap_or(root);
    let is_version = |at: &usize| last[at + 1..].starts_with(|c: char| c.is_ascii_digit());
    let end = last.match_indices('-').map(|(at, _)| at).find(is_version).unwrap_or(last.len());
    last[..end].replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribute::names::is_application;
    use crate::formats::pprof::{Frame, ProfileBuilder};

    const CARGO: &str = "/home/me/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f";
    const STD: &str = "/rustc/59807616e1fa2540724bfbac14d7976d7e4a3860/library";

    /// What a function in a file is called.
    fn called(name: &str, file: &str) -> String {
        let mut p = ProfileBuilder::new(&[("cpu", "nanoseconds")], 1);
        p.add([Frame { function: name.into(), file: file.into(), line: 7 }], &[1]);
        let mut p = p.finish(0, 0);
        qualify(&mut p);
        p.symbols.iter().find(|s| s.name.ends_with(name)).map(|s| s.name.clone()).expect("the symbol")
    }

    #[test]
    fn a_name_alone_is_told_by_its_file() {
        let tokio = format!("{CARGO}/tokio-1.54.1/src/runtime/scheduler/multi_thread/mod.rs");
        let header = format!("{CARGO}/http-1.3.1/src/header/value.rs");
        for (name, file, full) in [
            ("park", tokio.as_str(), "tokio::runtime::scheduler::multi_thread::park"),
            ("{closure#0}", &tokio, "tokio::runtime::scheduler::multi_thread::{closure#0}"),
            ("HeaderValue::from_str", &header, "http::header::value::HeaderValue::from_str"),
            ("wrapping_mul", &format!("{STD}/core/src/num/mod.rs"), "core::num::wrapping_mul"),
            (
                "run<tokio::x::Y>",
                &format!("{CARGO}/hyper-util-0.1.9/src/lib.rs"),
                "hyper_util::run<tokio::x::Y>",
            ),
            ("push", "/app/vendor/smallvec/src/lib.rs", "smallvec::push"),
        ] {
            assert_eq!(called(name, file), full);
            assert!(!is_application(full), "{full}");
        }
    }

    #[test]
    fn the_application_is_what_is_in_no_library() {
        for (name, file, full) in [
            ("walk", "/build/shop/src/store/index.rs", "crate::store::index::walk"),
            // A module that is called like a well-known library.
            ("Pool::send", "/build/shop/src/http.rs", "crate::http::Pool::send"),
            ("serve", "src/main.rs", "crate::serve"),
            ("step", "examples/loop.rs", "crate::loop::step"),
        ] {
            assert_eq!(called(name, file), full);
            assert!(is_application(full), "{full}");
        }
    }

    #[test]
    fn names_with_a_path_and_other_languages_stay() {
        let app = "/build/shop/src/store.rs";
        for (name, file) in [
            ("shop::store::walk", app),
            ("<T as core::convert::TryInto<U>>::try_into", app),
            ("<&shop::Store as core::fmt::Debug>::fmt", app),
            ("shop.(*Store).Reload", "/build/shop/src/store.go"),
            ("clone3", "./misc/../sysdeps/unix/sysv/linux/x86_64/clone3.S"),
            ("walk", ""),
        ] {
            assert_eq!(called(name, file), name);
        }
        // A file that is nothing but an ending, letters of several bytes, and a name without end.
        assert_eq!(path(".rs").as_deref(), Some("crate"));
        assert_eq!(path("/\u{e9}/src/\u{e9}.rs").as_deref(), Some("crate::\u{e9}"));
        assert_eq!(path(&format!("{}.rs", "x".repeat(LONGEST))), None);
    }
}
