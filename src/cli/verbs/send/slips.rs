//! Notes on likely mistakes in a command line typed at a terminal. The message is sent all the
//! same.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;

use crate::profile::known;
use crate::terminal::notices;
use crate::terminal::verbosity::Verbosity;
use crate::wire::Target;

/// Prints notes on mistakes. Scripts get none: in a loop over lines, stdin holds the next lines.
pub(crate) fn note(targets: &[Target], text: &[OsString], verbosity: Verbosity) {
    if text.is_empty() || text == ["-"] || !notices::is_terminal() {
        return;
    }
    if let Some(note) = second_target(targets, text, |name| known::targets().contains(name)) {
        notices::note(verbosity, &note);
    }
    if has_data_on_stdin() {
        notices::note(verbosity, "stdin is not read, since the message is on the command line");
    }
}

/// Checks for a second target, as in `qmsg send bob carol hi`.
fn second_target(
    targets: &[Target],
    text: &[OsString],
    is_known: impl Fn(&Target) -> bool,
) -> Option<String> {
    let [first, _, ..] = text else { return None };
    let first = first.to_str()?;
    let other: Target = first.parse().ok()?;
    let is_new = !targets.contains(&other);
    (is_new && (first.starts_with('@') || is_known(&other))).then(|| {
        let targets: Vec<String> = targets.iter().map(ToString::to_string).collect();
        let to = targets.join(",");
        format!("{first} is part of the message to {to}; to send to both: qmsg send {to},{other} …")
    })
}

/// True when stdin is a pipe with unread data. Does not block.
fn has_data_on_stdin() -> bool {
    let stdin = io::stdin();
    let copy = stdin.as_fd().try_clone_to_owned().map(File::from);
    let is_pipe = copy.and_then(|file| file.metadata()).is_ok_and(|of| of.file_type().is_fifo());
    is_pipe && rustix::io::ioctl_fionread(&stdin).is_ok_and(|bytes| bytes > 0)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::second_target;
    use crate::wire::Target;

    #[test]
    fn a_second_target_is_noticed() {
        let bob: Target = "bob".parse().unwrap_or(Target::All);
        let note = |line: &str| {
            let text: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let targets = std::slice::from_ref(&bob);
            second_target(targets, &text, |name| name.to_string() == "carol")
        };
        for line in ["carol hi", "Carol hi there", "@ops is down", "@all hi"] {
            assert!(note(line).is_some_and(|note| note.contains("qmsg send bob,")), "{line}");
        }
        // A single word is a message, and so is an unknown name.
        for line in ["carol", "@ops", "lunch at noon", "bob hi", "carol: hi", "@ hi", "-"] {
            assert_eq!(note(line), None, "{line}");
        }
    }
}
