//! Names of code addresses, looked up once each.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::formats::pprof::Frame;

/// Frames of one address, innermost inlined call first.
type Names = Arc<[Frame]>;

fn known() -> &'static Mutex<HashMap<usize, Names>> {
    static KNOWN: OnceLock<Mutex<HashMap<usize, Names>>> = OnceLock::new();
    KNOWN.get_or_init(Mutex::default)
}

/// Frames of return addresses, leaf first; zero, where unwinding went astray, is none. Bounded by the size of the program's
/// own code.
pub(super) fn stack(addresses: &[usize]) -> Vec<Frame> {
    addresses.iter().filter(|&&address| address != 0).flat_map(|&address| names(address).to_vec()).collect()
}

/// Looks this stack up, so that reading the debug information (some 100 ms of CPU) does not fall into the
/// first profile and slow the requests of that moment.
pub(super) fn warm_up() {
    let mut addresses = Vec::new();
    backtrace::trace(|frame| {
        addresses.push(frame.ip() as usize);
        addresses.len() < 64
    });
    stack(&addresses);
}

fn names(address: usize) -> Names {
    let lookup = || known().lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(names) = lookup().get(&address) {
        return Arc::clone(names);
    }
    let names: Names = resolve(address).into();
    lookup().insert(address, Arc::clone(&names));
    names
}

fn resolve(address: usize) -> Vec<Frame> {
    let mut frames = Vec::new();
    backtrace::resolve(address as *mut std::ffi::c_void, |symbol| {
        frames.push(Frame {
            // The alternate form leaves the hash out.
            function: symbol.name().map_or_else(|| format!("{address:#x}"), |name| format!("{name:#}")),
            file: symbol.filename().map_or_else(String::new, |file| file.display().to_string()),
            line: symbol.lineno().map_or(0, i64::from),
        });
    });
    if frames.is_empty() {
        frames.push(Frame { function: format!("{address:#x}"), file: String::new(), line: 0 });
    }
    frames
}
