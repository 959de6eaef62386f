//! Process 1 of a container: the kernel gives it all orphans to look after, and no signal that it
//! has not asked for. So the work is done by a child, which is a process like any other.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, wait};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::process::runtime;
use crate::terminal::{notices, print};

/// What is passed on, and whether a terminal says it to the child as well.
const PASSED_ON: [(Signal, bool); 7] = [
    (Signal::TERM, false),
    (Signal::INT, true),
    (Signal::HUP, true),
    (Signal::QUIT, true),
    (Signal::USR1, false),
    (Signal::USR2, false),
    (Signal::CONT, false),
];
/// As shells do.
const CODE_SIGNAL: i32 = 128;
const SIGNALS_MAX: usize = 16;

/// Does the work in a child and looks after what is left behind, if this is process 1: the child's
/// exit code. `None`: it is not, or has no way to.
pub(crate) fn run(args: &[OsString]) -> Option<u8> {
    if std::process::id() != 1 {
        return None;
    }
    let program = std::env::current_exe().ok()?;
    let (name, args) = args.split_first()?;
    let runtime = runtime::runtime().ok()?;
    // Its end is seen with that of all others.
    let spawn = || Command::new(program).arg0(name).args(args).spawn();
    runtime.block_on(look_after(spawn)).map_or_else(
        |error| {
            notices::announce(&format!("as process 1 no child can be started: {error}"));
            None
        },
        Some,
    )
}

async fn look_after(spawn: impl FnOnce() -> io::Result<std::process::Child>) -> io::Result<u8> {
    let mut ended = signal(SignalKind::child())?;
    let (sender, mut signals) = mpsc::channel(SIGNALS_MAX);
    let is_interactive = io::stdin().is_terminal() || print::is_terminal();
    for (number, from_terminal) in PASSED_ON {
        if from_terminal && is_interactive {
            // Taken, so that it does not end this process, and no more.
            let _ = signal(SignalKind::from_raw(number.as_raw()))?;
            continue;
        }
        let (mut signal, sender) = (signal(SignalKind::from_raw(number.as_raw()))?, sender.clone());
        tokio::spawn(async move {
            while signal.recv().await.is_some() {
                // One that comes while others wait says nothing new.
                let _ = sender.try_send(number);
            }
        });
    }
    let child = Pid::from_child(&spawn()?);
    loop {
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            if pid == child {
                return Ok(code(status));
            }
        }
        tokio::select! {
            _ = ended.recv() => {}
            // It may have ended just now.
            Some(signal) = signals.recv() => drop(kill_process(child, signal)),
        }
    }
}

fn code(status: WaitStatus) -> u8 {
    let signal = status.terminating_signal().map(|number| CODE_SIGNAL + number);
    status.exit_status().or(signal).map_or(u8::MAX, |code| code as u8)
}
