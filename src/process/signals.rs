//! Signals that ask the program to stop.

use std::fs;
use std::io;

use anyhow::Result;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Exit;

/// Handlers of SIGINT, SIGTERM, and of SIGHUP unless it was ignored when the program started, as by
/// nohup(1).
pub(crate) struct Stops {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Option<Signal>,
}

impl Stops {
    pub(crate) fn new() -> io::Result<Self> {
        let hang_up = SignalKind::hangup();
        let is_ours = !is_ignored(hang_up);
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: is_ours.then(|| signal(hang_up)).transpose()?,
        })
    }

    /// Waits for the next signal, and returns the exit code it stands for.
    pub(crate) async fn next_signal(&mut self) -> Exit {
        tokio::select! {
            biased;
            exit = stop_request(&mut self.interrupt, &mut self.terminate) => exit,
            Some(()) = received(&mut self.hang_up) => Exit::HungUp,
        }
    }

    /// Waits for a second request to stop. SIGHUP does not count, since a terminal that goes away
    /// may send it more than once.
    pub(crate) async fn next_urgent(&mut self) -> Exit {
        stop_request(&mut self.interrupt, &mut self.terminate).await
    }
}

async fn stop_request(interrupt: &mut Signal, terminate: &mut Signal) -> Exit {
    tokio::select! {
        biased;
        _ = interrupt.recv() => Exit::Interrupted,
        _ = terminate.recv() => Exit::Terminated,
    }
}

async fn received(signal: &mut Option<Signal>) -> Option<()> {
    match signal {
        Some(signal) => signal.recv().await,
        None => std::future::pending().await,
    }
}

/// True when this process was started with the signal ignored, or when the system does not tell.
pub(crate) fn is_ignored(kind: SignalKind) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignored(&status).is_none_or(|mask| mask >> (kind.as_raw_value() - 1) & 1 == 1)
}

fn ignored(status: &str) -> Option<u64> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

/// Installs the handlers. The future waits for the first signal, and returns the exit code it
/// stands for.
pub(crate) fn stop_signal() -> Result<impl Future<Output = Exit>> {
    let mut stops = Stops::new()?;
    Ok(async move { stops.next_signal().await })
}

#[cfg(test)]
mod tests {
    use super::ignored;

    #[test]
    fn the_mask_is_read() {
        assert_eq!(ignored("SigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\n"), Some(0x1001));
        assert_eq!(ignored("SigIgn:\tx\n"), None);
        assert_eq!(ignored(""), None);
    }
}
