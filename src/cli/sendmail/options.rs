//! The options that programs call `/usr/sbin/sendmail` with. They follow `getopt(3)`: letters may
//! stand together, a value may stand behind its letter or be the next argument, and recipients may
//! stand anywhere.

use std::borrow::Cow;
use std::ffi::OsString;

use crate::cli::fail::{Exit, Failure};

/// Letters that say something of queues, retries, receipts and the like, which are not done here.
const IGNORED: &str = "GIUTcmnsv";
/// The same, with a value.
const IGNORED_WITH_VALUE: &str = "ABCDLMNORVXehpor";
/// The same, with a value that can only stand right behind.
const IGNORED_WITH_REST: &str = "dq";

/// What is asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    /// `-t`: the mail names recipients, too.
    pub(super) named_in_mail: bool,
    /// `-i`: a line with nothing but a dot does not end the mail.
    pub(super) dots_are_text: bool,
    /// `-f`: who sends it.
    pub(super) sender: Option<String>,
    /// `-F`: the sender's name.
    pub(super) name: Option<String>,
    /// `-q`: there may be no mail at all.
    pub(super) runs_queue: bool,
    pub(super) recipients: Vec<String>,
}

/// Reads options.
pub(super) fn parse(args: &[OsString]) -> Result<Options, Failure> {
    let mut options = Options::default();
    let mut args = args.iter().map(|arg| arg.to_string_lossy());
    let mut only_recipients = false;
    while let Some(arg) = args.next() {
        match arg.strip_prefix('-') {
            Some("-") if !only_recipients => only_recipients = true,
            Some(letters) if !only_recipients && !letters.is_empty() => {
                let next = || args.next().map(Cow::into_owned);
                options.letters(letters, next)?;
            }
            _ => options.recipients.push(arg.into_owned()),
        }
    }
    Ok(options)
}

impl Options {
    fn letters(
        &mut self,
        letters: &str,
        next: impl FnOnce() -> Option<String>,
    ) -> Result<(), Failure> {
        let mut rest = letters.chars();
        while let Some(letter) = rest.next() {
            match letter {
                't' => self.named_in_mail = true,
                'i' => self.dots_are_text = true,
                _ if IGNORED.contains(letter) => {}
                _ if IGNORED_WITH_REST.contains(letter) => {
                    self.runs_queue |= letter == 'q';
                    return Ok(());
                }
                'f' | 'F' | 'b' => {
                    let value = value(letter, rest.as_str(), next)?;
                    return self.set(letter, value);
                }
                _ if IGNORED_WITH_VALUE.contains(letter) => {
                    let value = value(letter, rest.as_str(), next)?;
                    self.dots_are_text |= matches!((letter, value.as_str()), ('o', "i"));
                    return Ok(());
                }
                _ => return Err(unknown(letters)),
            }
        }
        Ok(())
    }

    fn set(&mut self, letter: char, value: String) -> Result<(), Failure> {
        match (letter, value.as_str()) {
            ('f', _) => self.sender = Some(value),
            ('F', _) => self.name = Some(value),
            // How it is given a mail: by stdin.
            (_, "m" | "a") => {}
            (_, mode) => {
                return Err(Failure::new(Exit::Usage, format!("-b{mode} is not done here"))
                    .hint("mail is taken from stdin; what waits is shown by: qmsg spool list"));
            }
        }
        Ok(())
    }
}

fn value(
    letter: char,
    rest: &str,
    next: impl FnOnce() -> Option<String>,
) -> Result<String, Failure> {
    if !rest.is_empty() {
        return Ok(rest.to_owned());
    }
    next().ok_or_else(|| {
        Failure::new(Exit::Usage, format!("-{letter} needs a value"))
            .hint("the options are those of sendmail; see qmsg-sendmail(1)")
    })
}

fn unknown(letters: &str) -> Failure {
    Failure::new(Exit::Usage, format!("-{letters} is not known"))
        .hint("the options are those of sendmail; see qmsg-sendmail(1)")
}

#[cfg(test)]
mod tests {
    use super::{Options, parse};

    fn parsed(line: &str) -> Result<Options, String> {
        let args: Vec<_> = line.split_whitespace().map(Into::into).collect();
        parse(&args).map_err(|failure| failure.to_string())
    }

    #[test]
    fn what_programs_call_it_with() {
        let options = |named_in_mail, dots_are_text, sender: &str, name: &str, to: &[&str]| {
            let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
            Options {
                named_in_mail,
                dots_are_text,
                sender: some(sender),
                name: some(name),
                runs_queue: false,
                recipients: to.iter().map(|&to| to.to_owned()).collect(),
            }
        };
        for (line, wanted) in [
            // cron of Debian and of cronie, at, mdadm, smartd by mailx.
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
            ("-G -Uh7 -O X=y -p ESMTP:x bob", options(false, false, "", "", &["bob"])),
        ] {
            assert_eq!(parsed(line), Ok(wanted), "{line}");
        }
        assert!(parsed("-q15m").is_ok_and(|options| options.runs_queue));
    }

    #[test]
    fn what_is_not_done_is_said() {
        for (line, wanted) in [
            ("-bp", "-bp is not done here"),
            ("-bs", "-bs is not done here"),
            ("-bi bob", "-bi is not done here"),
            ("bob -f", "-f needs a value"),
            ("-tF", "-F needs a value"),
            ("-z bob", "-z is not known"),
            ("--verbose", "--verbose is not known"),
            ("-ä", "-ä is not known"),
        ] {
            assert_eq!(parsed(line), Err(wanted.to_owned()), "{line}");
        }
    }
}
