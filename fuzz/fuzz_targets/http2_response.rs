#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| loadprof_fuzz::load::http2::check::http2(bytes));
