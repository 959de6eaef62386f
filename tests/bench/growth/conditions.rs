//! Hardware and software on which the readings were taken.

use std::process::Command;
use std::{env, fs, thread};

use jiff::Timestamp;
use serde_json::{Value, json};

pub(crate) fn read(quick: bool) -> Value {
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
    let directory = env::temp_dir();
    let directory = directory.to_str().unwrap();
    json!({
        "date": now.to_string(),
        "kernel": first_line("/proc/sys/kernel/osrelease"),
        "processor": field("/proc/cpuinfo", "model name"),
        "cores": thread::available_parallelism().unwrap().get(),
        "memory_kib": memory_kib(),
        "file_system": said("stat", &["--file-system", "--format=%T", directory]),
        "load": first_line("/proc/loadavg"),
        "rustc": said("rustc", &["--version"]),
        "qmsg": said(env!("CARGO_BIN_EXE_qmsg"), &["--version"]),
        "commit": said("git", &["describe", "--always", "--dirty"]),
        "target": env::current_exe().unwrap().parent().and_then(|path| path.to_str()),
        "quick": quick,
    })
}

fn memory_kib() -> Option<u64> {
    field("/proc/meminfo", "MemTotal").strip_suffix(" kB")?.parse().ok()
}

fn first_line(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().lines().next().unwrap_or_default().to_owned()
}

fn field(path: &str, name: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.split_once(':'));
    line.map_or("", |(_, value)| value).trim().to_owned()
}

/// Trimmed output of a program, if the machine has it.
fn said(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
