//! Writes and syncs of a server, as strace recorded them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::real::kit::Home;
use crate::real::wait::until;

/// Delay of every sync. An answer that does not wait for its sync comes before it in the trace.
const SYNC_DELAY_US: u64 = 20_000;
/// Calls that change files or make them durable.
const CALLS: &str = "openat,creat,mkdir,unlink,unlinkat,rename,renameat,renameat2,link,linkat,\
    truncate,ftruncate,fallocate,write,writev,pwrite64,pwritev,pwritev2,\
    fsync,fdatasync,sync_file_range";

/// Something that a process did with a data file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// Creates the file if it is missing.
    Make(PathBuf),
    Link(PathBuf, PathBuf),
    Rename(PathBuf, PathBuf),
    Unlink(PathBuf),
    /// Writes at an offset, or at the end if there is none.
    Write(PathBuf, Option<u64>, Vec<u8>),
    Truncate(PathBuf, u64),
    /// Syncs a file, or a directory with the names in it.
    Sync(PathBuf),
}

pub(super) struct Step {
    /// Earliest end of the call, in microseconds since 1970.
    pub(super) at_us: u64,
    pub(super) call: Call,
}

pub(super) fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64
}

/// Server on this data whose calls are traced to a file. The test must have a `needs!("strace")`.
pub(super) fn traced(home: &Home, data: &Path, trace: &Path) -> Command {
    let inject = format!("inject=fsync,fdatasync:delay_enter={SYNC_DELAY_US}");
    let mut args = vec!["-D", "-f", "--seccomp-bpf", "-y", "-xx", "-s", "4000000", "-ttt"];
    let (calls, trace) = (format!("trace={CALLS}"), trace.to_str().unwrap());
    args.extend(["-e", &calls, "-e", &inject, "-e", "signal=none", "-o", trace]);
    let data = data.to_str().unwrap();
    args.extend(["qmsg", "serve", "--listen", "127.0.0.1:0", "--data", data]);
    home.program("strace", &args)
}

/// Changes that a traced server, which has ended, made to the files in its data directory.
pub(super) fn steps(trace: &Path, data: &Path) -> Vec<Step> {
    let read = || std::fs::read_to_string(trace).unwrap();
    let is_over = |text: &str| {
        let last = text.lines().next_back().unwrap_or_default();
        text.ends_with('\n') && last.contains("+++ ")
    };
    until("the end of the trace", || is_over(&read()));
    let (text, mut begun, mut steps) = (read(), HashMap::new(), vec![]);
    for line in text.lines() {
        let (process, line) = line.split_once(' ').unwrap();
        let (at, what) = line.trim_start().split_once(' ').unwrap();
        if let Some(what) = what.strip_suffix(" <unfinished ...>") {
            begun.insert(process, (at, what));
        } else if let Some((_, rest)) = what.strip_prefix("<... ").and_then(|w| w.split_once('>')) {
            let (at, what) = begun.remove(process).unwrap();
            steps.extend(step(at, &format!("{what}{rest}"), data));
        } else {
            steps.extend(step(at, what, data));
        }
    }
    steps
}

fn step(at: &str, what: &str, data: &Path) -> Option<Step> {
    let (name, rest) = what.split_once('(')?;
    let (args, returned) = rest.rsplit_once(") = ")?;
    // A call that failed changed nothing.
    let returned = returned.split([' ', '<']).next().unwrap();
    let returned: u64 = returned.parse().ok()?;
    let args: Vec<&str> = args.trim().split(", ").collect();
    let path = |at: usize| Some(path(args[at])).filter(|path| path.starts_with(data));
    let number = |at: usize| args[at].parse::<u64>().unwrap();
    let bytes = || {
        let bytes = unhex(args[1].trim_matches('"'));
        assert_eq!(bytes.len() as u64, returned, "all of it was written, and traced");
        bytes
    };
    let call = match name {
        "openat" if args[2].contains("O_CREAT") => Call::Make(path(1)?),
        "unlink" => Call::Unlink(path(0)?),
        "link" => Call::Link(path(0)?, path(1)?),
        "linkat" => Call::Link(path(1)?, path(3)?),
        "rename" => Call::Rename(path(0)?, path(1)?),
        "renameat2" => Call::Rename(path(1)?, path(3)?),
        "ftruncate" => Call::Truncate(path(0)?, number(1)),
        "write" => Call::Write(path(0)?, None, bytes()),
        "pwrite64" => Call::Write(path(0)?, Some(number(3)), bytes()),
        "fsync" | "fdatasync" => Call::Sync(path(0)?),
        "openat" | "mkdir" => return None,
        other => panic!("{other} is not known here"),
    };
    let at_us: u64 = at.replace('.', "").parse().unwrap();
    let delay = if matches!(call, Call::Sync(_)) { SYNC_DELAY_US } else { 0 };
    Some(Step { at_us: at_us + delay, call })
}

/// Path in an argument: of an open file, `7<\x2f…>`, or by name, `"\x2f…"`.
fn path(arg: &str) -> PathBuf {
    let within = arg.split_once('<').and_then(|(_, path)| path.split_once('>'));
    let hex = within.map_or(arg.trim_matches('"'), |(path, _)| path);
    String::from_utf8(unhex(hex)).unwrap().into()
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16).unwrap() as u8;
    let (pieces, rest) = text.as_bytes().as_chunks::<4>();
    assert!(rest.is_empty(), "{text}");
    pieces.iter().map(|[_, _, high, low]| digit(*high) << 4 | digit(*low)).collect()
}

#[test]
fn a_trace_is_read() {
    let hex = |text: &str| text.bytes().map(|b| format!("\\x{b:02x}")).collect::<String>();
    let read = |what: &str| step("17.000005", what, Path::new("/data"));
    let (file, name, bytes) = (hex("/data/store.db"), hex("/data/a"), hex("ab"));
    let call = |what: &str| read(what).unwrap().call;
    let path = || PathBuf::from("/data/store.db");
    assert_eq!(
        call(&format!("pwrite64(7<{file}>, \"{bytes}\", 2, 4096) = 2")),
        Call::Write(path(), Some(4096), b"ab".into())
    );
    assert_eq!(
        call(&format!("openat(AT_FDCWD<{name}>, \"{file}\", O_RDWR|O_CREAT, 0600) = 3<{file}>")),
        Call::Make(path())
    );
    assert_eq!(call(&format!("ftruncate(7<{file}>, 0) = 0")), Call::Truncate(path(), 0));
    assert_eq!(
        call(&format!("linkat(AT_FDCWD<{name}>, \"{name}\", AT_FDCWD<{name}>, \"{file}\", 0) = 0")),
        Call::Link("/data/a".into(), path())
    );
    let synced = read(&format!("fdatasync(7<{file}>) = 0 (DELAYED)")).unwrap();
    assert_eq!((synced.at_us, synced.call), (17_020_005, Call::Sync(path())));
    assert!(read(&format!("fdatasync(7<{file}>) = -1 EIO (Input/output error)")).is_none());
    assert!(read(&format!("write(1<{}>, \"{bytes}\", 2) = 2", hex("/else"))).is_none());
}
