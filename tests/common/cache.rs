//! Where `tests/run` keeps what is built once.

use std::path::PathBuf;

pub fn cache() -> PathBuf {
    let set = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    set("LOADPROF_TEST_CACHE").unwrap_or_else(|| {
        let home = || set("HOME").expect("HOME, XDG_CACHE_HOME or LOADPROF_TEST_CACHE is set").join(".cache");
        set("XDG_CACHE_HOME").unwrap_or_else(home).join("loadprof")
    })
}
