//! `qmsg sendmail`: what cron and others send as mail.

mod mail;
mod options;

use std::ffi::OsString;
use std::io::{self, Read};
use std::path::Path;

use anyhow::Result;
use bytes::Bytes;
use clap::Args;

use crate::wire::{MsgIds, Target};

use super::config::Config;
use super::content::Content;
use super::fail::{self, Exit, Failure};
use super::headers::HeaderArgs;
use super::profile;
use super::spool::{Delivery, Keep, Parcel, Spool, SpoolBounds};
use super::{Patience, Talk, Who, host, ids, print};
use mail::Mail;

/// Longest mail. All of it is in memory, since it has to be understood.
const MAIL_LEN_MAX: u64 = 64 << 20;
/// Longest title, in bytes; a subject can be longer than all headers may be.
const TITLE_LEN_MAX: usize = 1 << 10;

/// Send a mail as a message: a stand-in for /usr/sbin/sendmail
///
/// Takes a mail on stdin and sends its text, with its subject as the title, to the ids that
/// [sendmail.aliases] in the configuration gives for the recipients, or else to those whose names
/// they are. A program called sendmail, such as a link to qmsg, does this too, so that cron, at,
/// mdadm and smartd can call it.
///
/// If the server cannot be reached, the message is kept, as by `qmsg send --spool`, and the exit
/// code is 0: from then on it is this program's concern.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ln -s /usr/local/bin/qmsg /usr/sbin/sendmail
  printf 'Subject: hi\\n\\ntext\\n' | qmsg sendmail bob")]
pub(super) struct SendmailArgs {
    /// Recipients, and options as sendmail has them: -t, -i, -oi, -f, -F and others
    ///
    /// From the first of them on, all arguments are sendmail's.
    #[arg(value_name = "ARG", trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
    #[command(flatten)]
    who: Who,
    /// Only print what would be sent, and to whom
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    bounds: SpoolBounds,
    #[command(flatten)]
    patience: Patience,
}

/// The command line that is meant when the program is called by another name.
pub(super) fn as_called(args: Vec<OsString>) -> Vec<OsString> {
    let name = args.first().and_then(|first| Path::new(first).file_name());
    if name.is_none_or(|name| name != "sendmail") {
        return args;
    }
    // None of its arguments is one of ours.
    let begin = ["qmsg", "sendmail", "--"].map(OsString::from);
    begin.into_iter().chain(args.into_iter().skip(1)).collect()
}

pub(super) fn run(args: &SendmailArgs, config: &Config, talk: Talk) -> Result<Exit> {
    let options = options::parse(&args.args)?;
    let is_addressed = options.named_in_mail || !options.recipients.is_empty();
    if !is_addressed && options.runs_queue {
        return Ok(Exit::Success);
    }
    if !is_addressed {
        return Err(Failure::new(Exit::Usage, "no recipient is given")
            .hint("name some, or let the mail name them with -t")
            .into());
    }
    let mail = mail::read(&input(options.dots_are_text)?);
    let mut recipients: Vec<String> =
        options.recipients.iter().flat_map(|text| mail::addresses(text)).collect();
    if options.named_in_mail {
        recipients.extend(mail.recipients.iter().cloned());
    }
    let (targets, unknown) = route(&recipients, config);
    for name in &unknown {
        fail::note(talk, &format!("{name} is no id, and no alias"));
    }
    if targets.is_empty() {
        let what =
            if unknown.is_empty() { "the mail names no recipient" } else { "nobody to send to" };
        return Err(Failure::new(Exit::NoUser, what)
            .hint("in config.toml, [sendmail.aliases] says who gets whose mail: \"*\" = \"ops\"")
            .into());
    }
    let from = options.sender.or(mail.from.clone());
    let headers = header_args(&mail, from.as_deref(), options.name.as_deref());
    if args.dry_run {
        return tell(&targets, &headers, &mail);
    }
    let headers = headers.headers()?;
    let content = Content::Memory(Bytes::from(mail.text));
    let mut ids = vec![MsgIds::default(); targets.len()];
    let parcels = targets.into_iter().zip(&mut ids).map(|(to, ids)| Parcel {
        id: ids::fresh(ids),
        to,
        headers: headers.clone(),
        due_ms: None,
        content: content.clone(),
    });
    let profile = profile::choose(&args.who)?;
    let spool = Spool::of(&profile, args.bounds, args.patience.timeout, talk)?;
    let delivery = spool.deliver(parcels.collect(), Keep::All)?;
    finish(delivery, !unknown.is_empty(), talk)
}

fn finish(delivery: Delivery, some_unknown: bool, talk: Talk) -> Result<Exit> {
    if delivery.kept > 0 {
        fail::note(talk, "the mail is kept in the spool until the server can be reached");
    }
    for (to, error) in &delivery.failed {
        fail::note(talk, &format!("the mail to {to} is set aside in the spool: {error:#}"));
    }
    match delivery.failed.into_iter().next() {
        Some((_, error)) => Err(error),
        None if some_unknown => Ok(Exit::NoUser),
        None => Ok(Exit::Success),
    }
}

/// The mail on stdin.
fn input(dots_are_text: bool) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = io::stdin().lock().take(MAIL_LEN_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| fail::unreadable("stdin", error))?;
    if bytes.len() as u64 > MAIL_LEN_MAX {
        return Err(Failure::new(Exit::Data, format!("the mail is over {MAIL_LEN_MAX} bytes"))
            .hint("what is so long can be sent by: qmsg send -f FILE")
            .into());
    }
    if !dots_are_text {
        cut(&mut bytes);
    }
    Ok(bytes)
}

/// A line with a dot alone ends a mail.
fn cut(bytes: &mut Vec<u8>) {
    let mut start = 0;
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        if line.trim_ascii_end() == b"." {
            bytes.truncate(start);
            return;
        }
        start += line.len();
    }
}

/// Where mail for these goes, each target once, and for whom it goes nowhere.
fn route(recipients: &[String], config: &Config) -> (Vec<Target>, Vec<String>) {
    let (mut targets, mut unknown): (Vec<Target>, Vec<String>) = (Vec::new(), Vec::new());
    for recipient in recipients {
        let name = local(recipient);
        let alias = [recipient.as_str(), name, "*"].into_iter().find_map(|name| config.alias(name));
        match (alias, name.parse()) {
            (Some(alias), _) => targets.extend(alias.0.iter().cloned()),
            (None, Ok(target)) => targets.push(target),
            (None, Err(_)) => unknown.push(recipient.clone()),
        }
    }
    let mut seen: Vec<Target> = Vec::new();
    targets.retain(|target| {
        !seen.contains(target) && {
            seen.push(target.clone());
            true
        }
    });
    (targets, unknown)
}

/// The name of somebody on this machine, without the machine.
fn local(recipient: &str) -> &str {
    let Some((name, domain)) = recipient.rsplit_once('@') else { return recipient };
    let host = host::name();
    let short = host.split('.').next().unwrap_or_default();
    let here = ["localhost", "localhost.localdomain", &host, short];
    let is_here = !domain.is_empty() && here.iter().any(|here| domain.eq_ignore_ascii_case(here));
    if is_here && !name.is_empty() { name } else { recipient }
}

fn header_args(mail: &Mail, sender: Option<&str>, name: Option<&str>) -> HeaderArgs {
    let clean = |text: &str| -> String {
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let fits = |(at, c): &(usize, char)| at + c.len_utf8() <= TITLE_LEN_MAX;
        let short: String = text.char_indices().take_while(fits).map(|(_, c)| c).collect();
        short.trim().to_owned()
    };
    let mut others = Vec::new();
    let mut put = |name: &str, value: &str| others.push((name.to_owned(), clean(value)));
    if let Some(sender) = sender {
        put("mail-from", sender);
    }
    if let Some(name) = name {
        put("mail-name", name);
    }
    if mail.attachments > 0 {
        put("attachments", &mail.attachments.to_string());
    }
    HeaderArgs {
        title: mail.subject.as_deref().map(clean).filter(|title| !title.is_empty()),
        media_type: Some("text/plain".into()),
        others,
        ..HeaderArgs::default()
    }
}

fn tell(targets: &[Target], headers: &HeaderArgs, mail: &Mail) -> Result<Exit> {
    let to: Vec<_> = targets.iter().map(ToString::to_string).collect();
    print::text(&format!("to: {}", to.join(",")))?;
    for (name, value) in headers.headers()?.iter() {
        print::text(&format!("{name}: {value}"))?;
    }
    print::line(&format!("body: {} bytes", mail.text.len()))?;
    Ok(Exit::Success)
}

/// A mail is understood, however wrong it is.
#[cfg(any(test, fuzzing))]
pub(super) fn fuzz(bytes: &[u8]) {
    let mail = mail::read(bytes);
    assert!(mail.text.len() <= 4 * bytes.len() + 64, "{} bytes", mail.text.len());
    let headers = header_args(&mail, mail.from.as_deref(), mail.subject.as_deref());
    assert!(headers.headers().is_ok());
    for recipient in &mail.recipients {
        let _ = local(recipient);
    }
}

#[cfg(test)]
mod tests {
    use super::{as_called, cut, local};

    #[test]
    fn the_name_it_is_called_by_matters() {
        let called = |line: &str| {
            let args = line.split(' ').map(Into::into).collect();
            let args: Vec<_> = as_called(args);
            args.join(" ".as_ref()).into_string()
        };
        for (line, wanted) in [
            ("/usr/sbin/sendmail -t -v", "qmsg sendmail -- -t -v"),
            ("sendmail", "qmsg sendmail --"),
            ("qmsg sendmail -t", "qmsg sendmail -t"),
            ("/sendmail/qmsg -q", "/sendmail/qmsg -q"),
        ] {
            assert_eq!(called(line), Ok(wanted.into()));
        }
    }

    #[test]
    fn a_dot_ends_a_mail() {
        for (text, wanted) in [
            ("a\n.\nb", "a\n"),
            ("a\n.", "a\n"),
            (".\r\nb", ""),
            ("a\n..\n.b\nc.\n", "a\n..\n.b\nc.\n"),
            ("a", "a"),
        ] {
            let mut bytes = text.as_bytes().to_vec();
            cut(&mut bytes);
            assert_eq!(bytes, wanted.as_bytes(), "{text:?}");
        }
    }

    #[test]
    fn somebody_on_this_machine_has_no_domain() {
        for (recipient, wanted) in [
            ("root@localhost", "root"),
            ("root@LOCALHOST", "root"),
            ("root", "root"),
            ("root@", "root@"),
            ("@localhost", "@localhost"),
            ("root@example.org", "root@example.org"),
        ] {
            assert_eq!(local(recipient), wanted);
        }
    }
}
