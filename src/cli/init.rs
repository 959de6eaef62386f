//! Process 1 of a container. The kernel hands it all orphans to reap, and ignores signals that it
//! has no handler for. So the command runs in a child, which is an ordinary process.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, wait};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::cli::limits::SIGNALS_MAX;
use crate::process::runtime;
use crate::terminal::{notices, print};

/// Signals that are forwarded to the child, each with whether the terminal also sends it to the
/// child itself.
const PASSED_ON: [(Signal, bool); 7] = [
    (Signal::TERM, false),
    (Signal::INT, true),
    (Signal::HUP, true),
    (Signal::QUIT, true),
    (Signal::USR1, false),
    (Signal::USR2, false),
    (Signal::CONT, false),
];
/// Offset of the exit code when a signal killed the child, as in shells.
const CODE_SIGNAL: i32 = 128;

/// Runs the command in a child and reaps orphans if this is process 1, and returns the child's exit
/// code. `None` if this is another process, or if no child can be started.
pub(crate) fn run(args: &[OsString]) -> Option<u8> {
    if std::process::id() != 1 {
        return None;
    }
    let program = std::env::current_exe().ok()?;
    let (name, args) = args.split_first()?;
    let runtime = runtime::runtime().ok()?;
    // The loop below reaps the child with all others.
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
            // The handler only keeps this process alive.
            let _ = signal(SignalKind::from_raw(number.as_raw()))?;
            continue;
        }
        let (mut signal, sender) = (signal(SignalKind::from_raw(number.as_raw()))?, sender.clone());
        tokio::spawn(async move {
            while signal.recv().await.is_some() {
                // A signal that finds the queue full adds nothing.
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
            // The child may have ended just now.
            Some(signal) = signals.recv() => drop(kill_process(child, signal)),
        }
    }
}

fn code(status: WaitStatus) -> u8 {
    let signal = status.terminating_signal().map(|number| CODE_SIGNAL + number);
    status.exit_status().or(signal).map_or(u8::MAX, |code| code as u8)
}
