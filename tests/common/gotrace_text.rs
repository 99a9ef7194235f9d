//! Execution traces as text, the form in which the Go sources keep their hand-made cases
//! (`src/internal/trace/testdata/tests/*.test`).

/// Names of the records, in the order of their numbers.
const KINDS: [&str; 53] = [
    "None",
    "EventBatch",
    "Stacks",
    "Stack",
    "Strings",
    "String",
    "CPUSamples",
    "CPUSample",
    "Frequency",
    "ProcsChange",
    "ProcStart",
    "ProcStop",
    "ProcSteal",
    "ProcStatus",
    "GoCreate",
    "GoCreateSyscall",
    "GoStart",
    "GoDestroy",
    "GoDestroySyscall",
    "GoStop",
    "GoBlock",
    "GoUnblock",
    "GoSyscallBegin",
    "GoSyscallEnd",
    "GoSyscallEndBlocked",
    "GoStatus",
    "STWBegin",
    "STWEnd",
    "GCActive",
    "GCBegin",
    "GCEnd",
    "GCSweepActive",
    "GCSweepBegin",
    "GCSweepEnd",
    "GCMarkAssistActive",
    "GCMarkAssistBegin",
    "GCMarkAssistEnd",
    "HeapAlloc",
    "HeapGoal",
    "GoLabel",
    "UserTaskBegin",
    "UserTaskEnd",
    "UserRegionBegin",
    "UserRegionEnd",
    "UserLog",
    "GoSwitch",
    "GoSwitchDestroy",
    "GoCreateBlocked",
    "GoStatusStack",
    "ExperimentalBatch",
    "Sync",
    "ClockSnapshot",
    "EndOfGeneration",
];

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn numbers<'a>(out: &mut Vec<u8>, fields: impl Iterator<Item = &'a str>) {
    for field in fields {
        let (_, number) = field.split_once('=').expect("name=number");
        varint(out, number.parse().expect("a number"));
    }
}

/// The bytes of a trace in text form.
pub(super) fn assemble(text: &str) -> Vec<u8> {
    let (mut file, mut head, mut body) = (Vec::new(), Vec::new(), Vec::new());
    let flush = |file: &mut Vec<u8>, head: &mut Vec<u8>, body: &mut Vec<u8>| {
        if !head.is_empty() {
            file.append(head);
            varint(file, body.len() as u64);
            file.append(body);
        }
    };
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
        let mut fields = line.split_whitespace();
        let first = fields.next().expect("not empty");
        if let Some(version) = line.strip_prefix("Trace Go") {
            file.extend(format!("go {version} trace\0\0\0").into_bytes());
        } else if let Some(data) = line.strip_prefix("data=") {
            let data: String = serde_json::from_str(data).expect("a quoted string");
            varint(&mut body, data.len() as u64);
            body.extend(data.into_bytes());
        } else if first.starts_with("pc=") {
            numbers(&mut body, line.split_whitespace());
        } else if first == "EventBatch" {
            flush(&mut file, &mut head, &mut body);
            head.push(1);
            // The size is counted anew.
            numbers(&mut head, fields.take(3));
        } else {
            let kind = KINDS.iter().position(|k| *k == first).unwrap_or_else(|| panic!("{line}"));
            body.push(kind as u8);
            numbers(&mut body, fields);
        }
    }
    flush(&mut file, &mut head, &mut body);
    file
}
