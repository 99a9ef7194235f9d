#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| loadprof_fuzz::text_checks::kernel(bytes));
