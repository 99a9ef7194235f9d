#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| loadprof_fuzz::script_checks::script_feeder(bytes));
