//! Options of `/usr/sbin/sendmail`, as programs call it. They follow `getopt(3)`: letters may be
//! combined, a value may follow its letter or be the next argument, and recipients may stand
//! anywhere. Options without a meaning here are ignored, so that no mail is refused for them.

use std::borrow::Cow;
use std::ffi::OsString;

use crate::failure::{Exit, Failure};

/// Options about queues, retries, receipts and the like, which are ignored.
const IGNORED: &str = "GIUTcmnsv";
/// Ignored options with a value.
const IGNORED_WITH_VALUE: &str = "ABCDLMNORVXehpo";
/// Ignored options whose value is the rest of the word.
const IGNORED_WITH_REST: &str = "dq";

/// The mode of operation (`-b`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum SendmailMode {
    /// Send the mail on stdin.
    #[default]
    Mail,
    /// List the queue: `-bp`, or `mailq`.
    ListQueue,
    /// Rebuild aliases: `-bi`, or `newaliases`. There is nothing to build, since they are in the
    /// configuration file.
    Aliases,
}

/// Parsed options.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct SendmailOptions {
    /// `-t`: recipients are also taken from the mail.
    pub(crate) named_in_mail: bool,
    pub(crate) mode: SendmailMode,
    /// `-i`: a line with a single dot does not end the mail.
    pub(crate) dots_are_text: bool,
    /// `-f`, or the older `-r`: the sender.
    pub(crate) sender: Option<String>,
    /// `-F`: the sender's name.
    pub(crate) name: Option<String>,
    /// `-q`: run the queue; a mail is optional.
    pub(crate) runs_queue: bool,
    pub(crate) recipients: Vec<String>,
    /// Unknown options.
    pub(crate) unknown: Vec<String>,
}

/// Parses the options.
pub(crate) fn parse(args: &[OsString]) -> Result<SendmailOptions, Failure> {
    let mut options = SendmailOptions::default();
    let mut args = args.iter().map(|arg| arg.to_string_lossy());
    let mut only_recipients = false;
    while let Some(arg) = args.next() {
        match arg.strip_prefix('-') {
            Some("-") if !only_recipients => only_recipients = true,
            Some(name) if !only_recipients && name.starts_with('-') => {
                options.unknown.push(arg.into_owned());
            }
            Some(letters) if !only_recipients && !letters.is_empty() => {
                let next = || args.next().map(Cow::into_owned);
                parse_letters(&mut options, letters, next)?;
            }
            _ => options.recipients.push(arg.into_owned()),
        }
    }
    Ok(options)
}

/// Parses a word of combined options.
fn parse_letters(
    options: &mut SendmailOptions,
    letters: &str,
    next: impl FnOnce() -> Option<String>,
) -> Result<(), Failure> {
    let mut rest = letters.chars();
    while let Some(letter) = rest.next() {
        match letter {
            't' => options.named_in_mail = true,
            'i' => options.dots_are_text = true,
            _ if IGNORED.contains(letter) => {}
            _ if IGNORED_WITH_REST.contains(letter) => {
                options.runs_queue |= letter == 'q';
                return Ok(());
            }
            'f' | 'r' | 'F' | 'b' => {
                return set(options, letter, value(rest.as_str(), next));
            }
            _ if IGNORED_WITH_VALUE.contains(letter) => {
                let value = value(rest.as_str(), next).unwrap_or_default();
                options.dots_are_text |= letter == 'o' && value == "i"
                    || letter == 'O' && value.eq_ignore_ascii_case("IgnoreDots")
                    || letter == 'O' && value.eq_ignore_ascii_case("IgnoreDots=true");
                return Ok(());
            }
            _ => options.unknown.push(format!("-{letter}")),
        }
    }
    Ok(())
}

/// Sets an option with a value. It is ignored if the value is missing.
fn set(options: &mut SendmailOptions, letter: char, value: Option<String>) -> Result<(), Failure> {
    match (letter, value.as_deref()) {
        ('f' | 'r', Some(_)) => options.sender = value,
        ('F', Some(_)) => options.name = value,
        ('b', Some("p")) => options.mode = SendmailMode::ListQueue,
        ('b', Some("i")) => options.mode = SendmailMode::Aliases,
        ('b', Some(mode @ ("d" | "D" | "s" | "t" | "v" | "H" | "h" | "P"))) => {
            return Err(Failure::new(Exit::Usage, format!("-b{mode} is not supported")).hint(
                "a mail is read from stdin, its recipients are arguments or, with -t, \
                       those in its header",
            ));
        }
        // All other modes send the mail on stdin (`-bm`, `-ba`).
        _ => {}
    }
    Ok(())
}

/// Finds the value of an option: the rest of the word, or the next argument.
fn value(rest: &str, next: impl FnOnce() -> Option<String>) -> Option<String> {
    if rest.is_empty() { next() } else { Some(rest.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::{SendmailMode, SendmailOptions, parse};

    fn parsed(line: &str) -> Result<SendmailOptions, String> {
        let args: Vec<_> = line.split_whitespace().map(Into::into).collect();
        parse(&args).map_err(|failure| failure.to_string())
    }

    #[test]
    fn what_programs_call_it_with() {
        let options = |named_in_mail, dots_are_text, sender: &str, name: &str, to: &[&str]| {
            let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
            SendmailOptions {
                named_in_mail,
                dots_are_text,
                sender: some(sender),
                name: some(name),
                mode: SendmailMode::Mail,
                runs_queue: false,
                unknown: Vec::new(),
                recipients: to.iter().map(|&to| to.to_owned()).collect(),
            }
        };
        for (line, wanted) in [
            // The calls of Debian's cron, cronie, at, mdadm, and smartd by mailx.
            (
                "-FCronDaemon -i -B8BITMIME -oem root",
                options(false, true, "", "CronDaemon", &["root"]),
            ),
            (
                "-FCronDaemon -odi -oem -oi -t -f root",
                options(true, true, "root", "CronDaemon", &[]),
            ),
            ("-i alice", options(false, true, "", "", &["alice"])),
            ("-t", options(true, false, "", "", &[])),
            ("-oi -f root@host root", options(false, true, "root@host", "", &["root"])),
            ("-ti", options(true, true, "", "", &[])),
            ("-itfroot bob", options(true, true, "root", "", &["bob"])),
            ("-bm -F x bob -v carol", options(false, false, "", "x", &["bob", "carol"])),
            ("-o i -em -N never -- -bob", options(false, true, "", "", &["-bob"])),
            ("-r root -OIgnoreDots bob", options(false, true, "root", "", &["bob"])),
            ("-O IgnoreDots=True bob -f", options(false, true, "", "", &["bob"])),
            ("-tF", options(true, false, "", "", &[])),
            ("-ba bob", options(false, false, "", "", &["bob"])),
            ("-G -Uh7 -O X=y -p ESMTP:x bob", options(false, false, "", "", &["bob"])),
        ] {
            assert_eq!(parsed(line), Ok(wanted), "{line}");
        }
        assert!(parsed("-q15m").is_ok_and(|options| options.runs_queue));
    }

    #[test]
    fn no_option_stops_a_mail() {
        for (line, unknown) in [
            ("-z bob", &["-z"][..]),
            ("--verbose bob", &["--verbose"]),
            ("-ätz bob", &["-ä", "-z"]),
            ("--read-envelope-from bob -k", &["--read-envelope-from", "-k"]),
        ] {
            let Ok(options) = parsed(line) else { panic!("{line}") };
            assert_eq!(
                (options.unknown, &options.recipients[..]),
                (unknown.iter().map(|&name| name.to_owned()).collect(), &["bob".to_owned()][..],),
                "{line}"
            );
        }
    }

    #[test]
    fn modes_without_a_mail() {
        for (line, wanted) in [
            ("-bp", Ok(SendmailMode::ListQueue)),
            ("-bi bob", Ok(SendmailMode::Aliases)),
            ("-b", Ok(SendmailMode::Mail)),
            ("-bs", Err("-bs is not supported".to_owned())),
            ("-bd -q15m", Err("-bd is not supported".to_owned())),
            ("-b v bob", Err("-bv is not supported".to_owned())),
        ] {
            assert_eq!(parsed(line).map(|options| options.mode), wanted, "{line}");
        }
    }
}
