//! Clean-up: no process outlives its test, however far it detached, and no directory. All processes
//! of a test have its home in their environment, by which they are found.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Scans of the machine before processes that keep coming back are left alone.
const LOOKS_MAX: usize = 1_000;

/// Directory of all homes, removed when the tests end.
static HOMES: OnceLock<PathBuf> = OnceLock::new();

/// A directory of its own, and all processes that have it as their home.
pub(crate) struct Place(TempDir);

/// Ends the processes of a place when the test panics, so that threads waiting for them return and
/// their scope can be left.
pub(crate) struct EndsOnPanic<'a>(&'a Path);

impl Place {
    pub(crate) fn new() -> Self {
        let homes = HOMES.get_or_init(|| {
            assert!(shutdown_hooks::add_shutdown_hook(end_everything));
            tempfile::Builder::new().prefix("qmsg-tests-").tempdir().unwrap().keep()
        });
        Self(TempDir::new_in(homes).unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn ends_on_panic(&self) -> EndsOnPanic<'_> {
        EndsOnPanic(self.path())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        end_all(self.path());
    }
}

impl Drop for EndsOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            end_all(self.0);
        }
    }
}

/// Ends all remaining processes when the tests end: a test that panicked may have left threads
/// behind. A panic in here would abort.
extern "C" fn end_everything() {
    if let Some(homes) = HOMES.get() {
        end_all(homes);
        let _ = fs::remove_dir_all(homes);
    }
}

/// Kills all processes whose home is here or below, including those that start meanwhile.
fn end_all(home: &Path) {
    for _ in 0..LOOKS_MAX {
        let left = running(home);
        if left.is_empty() {
            return;
        }
        for id in left {
            // The process may have ended since.
            let _ = kill_process(id, Signal::KILL);
        }
    }
}

/// Processes whose home is here or below; none without a /proc.
pub(crate) fn running(home: &Path) -> Vec<Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    // A zombie has no environment.
    let is_in = |id: &i32| {
        fs::read(format!("/proc/{id}/environ")).is_ok_and(|variables| has_home(&variables, home))
    };
    ids.filter(is_in).filter_map(Pid::from_raw).collect()
}

fn has_home(variables: &[u8], home: &Path) -> bool {
    let mut values = variables.split(|byte| *byte == 0).filter_map(|v| v.strip_prefix(b"HOME="));
    values.any(|value| Path::new(std::ffi::OsStr::from_bytes(value)).starts_with(home))
}

/// Sends a signal, by its name without SIG.
#[track_caller]
pub(crate) fn signal(id: u32, name: &str) {
    kill_process(pid(id), named(name)).unwrap();
}

pub(crate) fn pid(id: u32) -> Pid {
    Pid::from_raw(id.try_into().unwrap()).unwrap()
}

#[track_caller]
fn named(name: &str) -> Signal {
    let signals = [
        ("HUP", Signal::HUP),
        ("INT", Signal::INT),
        ("QUIT", Signal::QUIT),
        ("KILL", Signal::KILL),
        ("USR1", Signal::USR1),
        ("USR2", Signal::USR2),
        ("PIPE", Signal::PIPE),
        ("TERM", Signal::TERM),
        ("CONT", Signal::CONT),
        ("STOP", Signal::STOP),
        ("TSTP", Signal::TSTP),
        ("WINCH", Signal::WINCH),
    ];
    signals.iter().find(|(known, _)| *known == name).map(|(_, signal)| *signal).unwrap()
}
