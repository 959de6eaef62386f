//! Rewriting of command lines in which the program stands in for sendmail.

use std::ffi::OsString;
use std::path::Path;

use clap::{Arg, Command, CommandFactory};

use crate::cli::command::Cli;

/// Global flags with a value; they may stand before the verb.
const WITH_VALUE: [&str; 2] = ["--color", "--config"];

/// Rewrites the command line: the program's name selects the verb, and qmsg's own flags move before
/// sendmail's arguments.
pub(crate) fn as_called(args: Vec<OsString>) -> Vec<OsString> {
    let name = args.first().and_then(|first| Path::new(first).file_name());
    let begin: &[&str] = match name.and_then(|name| name.to_str()) {
        Some("sendmail") => &["qmsg", "sendmail", "--"],
        Some("mailq") => &["qmsg", "sendmail", "--", "-bp"],
        Some("newaliases") => &["qmsg", "sendmail", "--", "-bi"],
        _ => return own_first(args),
    };
    // Under these names no argument is one of qmsg's own.
    begin.iter().map(OsString::from).chain(args.into_iter().skip(1)).collect()
}

/// The index of the verb, if it is `sendmail`.
fn verb(args: &[OsString]) -> Option<usize> {
    let mut at = 1;
    loop {
        let word = args.get(at)?.to_str()?;
        match word.starts_with('-') {
            true if WITH_VALUE.contains(&word) => at += 2,
            true => at += 1,
            false => return (word == "sendmail").then_some(at),
        }
    }
}

/// Moves the long flags of `qmsg sendmail` before the first argument of sendmail: clap does not
/// look for flags after it. Arguments after `--` stay.
fn own_first(args: Vec<OsString>) -> Vec<OsString> {
    let Some(at) = verb(&args) else { return args };
    let command = Cli::command();
    let (mut own, mut others) = (Vec::new(), Vec::new());
    let mut rest = args[at + 1..].iter().cloned();
    while let Some(arg) = rest.next() {
        if arg == "--" {
            others.push(arg);
            others.extend(rest);
            break;
        }
        match takes_value(&command, &arg) {
            None => others.push(arg),
            Some(false) => own.push(arg),
            Some(true) => {
                let mut whole = arg;
                match rest.next() {
                    Some(value) => {
                        whole.push("=");
                        whole.push(value);
                    }
                    // The missing value is then the only error reported.
                    None => others.clear(),
                }
                own.push(whole);
            }
        }
    }
    args.into_iter().take(at + 1).chain(own).chain(others).collect()
}

/// True when the next word is the value of this flag; `None` if the flag is not one of qmsg.
fn takes_value(command: &Command, arg: &OsString) -> Option<bool> {
    let long = arg.to_str()?.strip_prefix("--")?;
    let (name, is_whole) = long.split_once('=').map_or((long, true), |(name, _)| (name, false));
    if name == "help" {
        return Some(false);
    }
    let verb = command.find_subcommand("sendmail")?;
    let named = |known: &&Arg| known.get_long() == Some(name);
    let known = verb.get_arguments().chain(command.get_arguments()).find(named)?;
    Some(is_whole && known.get_action().takes_values())
}

#[cfg(test)]
mod tests {
    use super::as_called;

    fn called(line: &str) -> Result<String, std::ffi::OsString> {
        let args: Vec<_> = as_called(line.split(' ').map(Into::into).collect());
        args.join(" ".as_ref()).into_string()
    }

    #[test]
    fn the_name_it_is_called_by_matters() {
        for (line, wanted) in [
            ("/usr/sbin/sendmail -t -v", "qmsg sendmail -- -t -v"),
            ("sendmail", "qmsg sendmail --"),
            ("sendmail bob --dry-run", "qmsg sendmail -- bob --dry-run"),
            ("/usr/bin/mailq", "qmsg sendmail -- -bp"),
            ("mailq -v", "qmsg sendmail -- -bp -v"),
            ("newaliases", "qmsg sendmail -- -bi"),
            ("qmsg sendmail -t", "qmsg sendmail -t"),
            ("/sendmail/qmsg -q", "/sendmail/qmsg -q"),
        ] {
            assert_eq!(called(line), Ok(wanted.into()));
        }
    }

    #[test]
    fn flags_of_our_own_work_wherever_they_stand() {
        for (line, wanted) in [
            ("qmsg sendmail bob --dry-run", "qmsg sendmail --dry-run bob"),
            ("qmsg sendmail -t --as ops -v", "qmsg sendmail --as=ops -t -v"),
            ("qmsg sendmail bob --server=h:1 -i", "qmsg sendmail --server=h:1 bob -i"),
            ("qmsg sendmail -s h:1 bob --quiet", "qmsg sendmail --quiet -s h:1 bob"),
            ("qmsg --color never sendmail b --help", "qmsg --color never sendmail --help b"),
            ("qmsg -q sendmail bob --as", "qmsg -q sendmail --as"),
            ("qmsg sendmail bob --no-such", "qmsg sendmail bob --no-such"),
            ("qmsg sendmail bob -- --dry-run", "qmsg sendmail bob -- --dry-run"),
            ("qmsg sendmail -- bob --dry-run", "qmsg sendmail -- bob --dry-run"),
            ("qmsg --config sendmail send b --json", "qmsg --config sendmail send b --json"),
            ("qmsg send sendmail --json", "qmsg send sendmail --json"),
        ] {
            assert_eq!(called(line), Ok(wanted.into()), "{line}");
        }
    }
}
