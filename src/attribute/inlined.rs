//! Inlined functions of Rust by their paths. Where debug information has no linker's name for an inlined call, profilers give
//! the function's own name alone (`park`, `HeaderValue::from_str`); the file that it is in tells whose it is.

use super::names;
use crate::formats::pprof::Profile;

/// What stands before the sources of libraries: cargo's registry, its checkouts and copies of both, and the toolchain's own.
const LIBRARIES: [&str; 8] = [
    "/registry/src/",
    "/git/checkouts/",
    "/cargo/registry/",
    "/cargo-vendor-dir/",
    "/rust/deps/",
    "/rustlib/src/rust/library/",
    "/rustc/",
    "/vendor/",
];
/// Longest file name that is looked at, in bytes.
const LONGEST: usize = 512;
/// What stands behind the name of a crate that is a library by its files alone.
const LIBRARY: &str = "@library";

/// Puts crate and modules before names that have none. What one symbol is called depends on nothing but itself, so that
/// profiles stay comparable.
pub(super) fn qualify(profile: &mut Profile) {
    for symbol in &mut profile.symbols {
        if !symbol.name.is_empty()
            && !has_path(&symbol.name)
            && let Some(full) = full(&symbol.name, &symbol.file)
        {
            symbol.name = full;
        }
    }
}

/// Whether a name begins with a crate or with a type in full, `<T as Trait>::f`, or is the linker's. A type alone begins with a capital.
/// A closure has no name of its own: it is part of the function around it.
fn has_path(name: &str) -> bool {
    let linkers = ["_ZN", "_R", "_$"].iter().any(|start| name.starts_with(start));
    if linkers || name.starts_with(['<', '&', '(', '[', '{']) {
        return true;
    }
    let end = name.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(name.len());
    // `shop[9f3c]::walk` has the crate's disambiguator.
    let goes_on = name[end..].starts_with("::") || name[end..].starts_with('[');
    goes_on && !name.starts_with(char::is_uppercase)
}

/// The name with crate and modules of its file: `crate` of what is no library's, which no module of the application can be mistaken
/// for. None if the file tells nothing.
fn full(name: &str, file: &str) -> Option<String> {
    let stem = file.strip_suffix(".rs").filter(|_| file.len() <= LONGEST && !file.contains('\\'))?;
    // What a build script wrote: the directory differs between builds.
    if stem.contains("/build/") && stem.contains("/out/") {
        return None;
    }
    if let Some((package, inside)) = library(stem) {
        let path = |krate: &str| joined(krate, inside) + "::" + name;
        let plain = path(&package);
        return Some(if names::is_application(&plain) { path(&(package + LIBRARY)) } else { plain });
    }
    let last = stem.rsplit('/').next().unwrap_or(stem);
    let inside =
        stem.rsplit_once("/src/").map(|(_, inside)| inside).or(stem.strip_prefix("src/")).unwrap_or(last);
    Some(joined("crate", inside) + "::" + name)
}

fn joined(krate: &str, inside: &str) -> String {
    let modules = inside.split('/').filter(|m| !matches!(*m, "" | "mod" | "lib" | "main"));
    std::iter::once(krate).chain(modules).collect::<Vec<_>>().join("::")
}

/// Crate and the path inside of it, if a file is a library's.
fn library(stem: &str) -> Option<(String, &str)> {
    let after = |marker: &str| stem.strip_prefix(&marker[1..]).or_else(|| Some(stem.split_once(marker)?.1));
    let (marker, rest) = LIBRARIES.iter().find_map(|marker| Some((*marker, after(marker)?)))?;
    let (outside, inside) = rest.split_once("/src/").or_else(|| rest.rsplit_once('/'))?;
    let mut parts = outside.split('/').rev();
    let last = parts.next().filter(|part| !part.is_empty())?;
    // A checkout of one package alone: its directory is called by the revision.
    let before = parts.next().filter(|_| marker == "/git/checkouts/" && parts.next().is_none());
    let name = before.and_then(|b| b.rsplit_once('-')).map_or(last, |(name, _)| name);
    let versioned = version(name);
    // Modules of the application are called `vendor` as well.
    let known = marker != "/vendor/" || rest.contains("/src/");
    (known || versioned.is_some())
        .then(|| (name[..versioned.unwrap_or(name.len())].replace('-', "_"), inside))
}

/// Where `-1.2` begins in the name of a directory.
fn version(name: &str) -> Option<usize> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let begins = |at: &usize| name[at + 1..].split_once('.').is_some_and(|(major, _)| is_number(major));
    name.match_indices('-').map(|(at, _)| at).find(begins)
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
        let place = &p.locations[p.samples[0].stack[0] as usize];
        p.symbols[place.lines[0].symbol as usize].name.clone()
    }

    #[test]
    fn a_name_alone_is_told_by_its_file() {
        for (name, file, full) in [
            (
                "park",
                "{cargo}/tokio-1.54.1/src/runtime/scheduler/multi_thread/mod.rs",
                "tokio::runtime::scheduler::multi_thread::park",
            ),
            (
                "HeaderValue::from_str",
                "{cargo}/http-1.3.1/src/header/value.rs",
                "http::header::value::HeaderValue::from_str",
            ),
            ("wrapping_mul", "{std}/core/src/num/mod.rs", "core::num::wrapping_mul"),
            (
                "_mm_add_epi8",
                "{std}/stdarch/crates/core_arch/src/x86/sse2.rs",
                "core_arch@library::x86::sse2::_mm_add_epi8",
            ),
            ("find", "/rust/deps/hashbrown-0.16.1/src/raw.rs", "hashbrown::raw::find"),
            ("run<tokio::x::Y>", "{cargo}/hyper-util-0.1.9/src/lib.rs", "hyper_util::run<tokio::x::Y>"),
            ("compress", "{cargo}/sha2-0.10.8/src/sha256.rs", "sha2@library::sha256::compress"),
            ("Md5::update", "{cargo}/md-5-0.11.0/src/lib.rs", "md_5@library::Md5::update"),
            ("write", "{cargo}/fnv-1.0.7/lib.rs", "fnv@library::write"),
            (
                "send",
                "/h/.cargo/git/checkouts/wire-a1b2c3d4/1f2e3d4/src/client.rs",
                "wire@library::client::send",
            ),
            (
                "send",
                "/h/.cargo/git/checkouts/wire-a1b2c3d4/1f2e3d4/wire-core/src/client.rs",
                "wire_core@library::client::send",
            ),
            ("push", "/app/vendor/smallvec/src/lib.rs", "smallvec::push"),
            ("push", "vendor/ring_buf/src/lib.rs", "ring_buf@library::push"),
        ] {
            let file = file.replace("{cargo}", CARGO).replace("{std}", STD);
            let told = called(name, &file);
            assert_eq!(told, full);
            assert!(!is_application(&told), "{told}");
        }
    }

    #[test]
    fn the_application_is_what_is_in_no_library() {
        for (name, file, full) in [
            ("walk", "/build/shop/src/store/index.rs", "crate::store::index::walk"),
            // A module that is called like a well-known library, and one like a directory of them.
            ("Pool::send", "/build/shop/src/http.rs", "crate::http::Pool::send"),
            ("price", "/build/shop/src/vendor/pricing.rs", "crate::vendor::pricing::price"),
            ("price", "src/vendor/pricing.rs", "crate::vendor::pricing::price"),
            ("serve", "src/main.rs", "crate::serve"),
            ("step", "examples/loop.rs", "crate::loop::step"),
            ("page", "/usr/src/app/src/store.rs", "crate::store::page"),
            ("page", "/build/shop-1.2.0/src/store.rs", "crate::store::page"),
        ] {
            let told = called(name, file);
            assert_eq!(told, full);
            assert!(is_application(&told), "{told}");
        }
    }

    #[test]
    fn names_with_a_path_and_other_languages_stay() {
        let app = "/build/shop/src/store.rs";
        for (name, file) in [
            ("shop::store::walk", app),
            ("shop[9f3c1a]::store::walk", app),
            ("_ZN4shop5store4walk17h0123456789abcdefE", app),
            ("<T as core::convert::TryInto<U>>::try_into", app),
            ("<&shop::Store as core::fmt::Debug>::fmt", app),
            ("{closure#0}", app),
            ("shop.(*Store).Reload", "/build/shop/src/store.go"),
            ("clone3", "./misc/../sysdeps/unix/sysv/linux/x86_64/clone3.S"),
            ("walk", ""),
            ("walk", "C:\\shop\\src\\store.rs"),
            ("walk", "/build/target/release/build/shop-0123456789abcdef/out/gen.rs"),
            ("walk", &format!("/{}.rs", "x".repeat(LONGEST))),
        ] {
            assert_eq!(called(name, file), name);
        }
    }

    #[test]
    fn files_of_any_form_are_bounded() {
        for file in [
            ".rs",
            "/.rs",
            "//src/.rs",
            "/registry/src/.rs",
            "/vendor//src/x.rs",
            "/\u{e9}/src/\u{e9}-1.0/x.rs",
            "/rustc/.rs",
        ] {
            let told = called("walk", file);
            assert!(told.ends_with("walk") && !told.starts_with("::"), "{file}: {told}");
        }
    }
}
