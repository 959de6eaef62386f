//! `qmsg sendmail`: sends the mail of cron and other programs as messages.

use std::io::{self, Read};

use anyhow::Result;
use bytes::Bytes;

use crate::cli::args::profile;
use crate::cli::config::settings::Config;
use crate::cli::headers::HeaderArgs;
use crate::cli::limits::{MAIL_LEN_MAX, TITLE_LEN_MAX};
use crate::cli::verbs::sendmail::args::SendmailArgs;
use crate::cli::verbs::sendmail::mail::parse::{self, Mail};
use crate::cli::verbs::sendmail::options::{self, SendmailMode};
use crate::cli::verbs::spool::run;
use crate::failure::{self, Exit, Failure};
use crate::message::content::Content;
use crate::message::ids;
use crate::message::known_headers::{ATTACHMENTS, MAIL_FROM, MAIL_NAME, TITLE, TRUNCATED, TYPE};
use crate::process::host;
use crate::spool::deliver::{Keep, Spool, SpoolDelivery};
use crate::spool::file::Spooled;
use crate::terminal::verbosity::Verbosity;
use crate::terminal::{notices, print};
use crate::text::excerpt;
use crate::wire::{Headers, MsgIds, Target};

/// The title of a mail without text and subject.
const EMPTY: &str = "(empty mail)";

pub(crate) fn run(args: &SendmailArgs, config: &Config, verbosity: Verbosity) -> Result<Exit> {
    let options = options::parse(&args.args)?;
    for option in &options.unknown {
        notices::note(verbosity, &format!("ignoring the unknown option {option}"));
    }
    let is_addressed = options.named_in_mail || !options.recipients.is_empty();
    match options.mode {
        SendmailMode::ListQueue => return run::list_all(args.bounds.bounds(), verbosity),
        SendmailMode::Aliases => return Ok(Exit::Success),
        SendmailMode::Mail if !is_addressed && options.runs_queue => return Ok(Exit::Success),
        SendmailMode::Mail if !is_addressed => {
            return Err(Failure::new(Exit::Usage, "no recipient is given")
                .hint("name recipients as arguments, or take those in the mail with -t")
                .into());
        }
        SendmailMode::Mail => {}
    }
    let input = input(options.dots_are_text)?;
    let mut mail = parse::read(&input.bytes);
    if mail.text.is_empty() && mail.subject.is_none() {
        // An empty mail may matter, too.
        mail.subject = Some(EMPTY.to_owned());
    }
    let mut recipients: Vec<String> =
        options.recipients.iter().flat_map(|text| parse::addresses(text)).collect();
    if options.named_in_mail {
        recipients.extend(mail.recipients.iter().cloned());
    }
    let (targets, unknown) = route(&recipients, config);
    for name in &unknown {
        notices::note(verbosity, &format!("{name} is neither an id nor an alias"));
    }
    if targets.is_empty() {
        let what = match unknown.is_empty() {
            true => "the mail names no recipient",
            false => "none of the recipients is an id or an alias",
        };
        return Err(Failure::new(Exit::NoUser, what)
            .hint("in config.toml, [sendmail.aliases] says who gets whose mail: \"*\" = \"ops\"")
            .into());
    }
    let from = options.sender.or(mail.from.clone());
    let mut headers = header_args(&mail, from.as_deref(), options.name.as_deref());
    if let Some(size) = input.cut {
        headers.add(TRUNCATED, size.to_string());
    }
    if args.dry_run {
        return print_dry_run(&targets, &headers, &mail);
    }
    let messages = messages(targets, &headers.headers()?, mail.text);
    let profile = profile(&args.who)?;
    let spool = Spool::open(&profile, args.bounds.bounds(), args.patience.timeout, verbosity)?;
    let delivery = spool.deliver(messages, Keep::All)?;
    finish(delivery, !unknown.is_empty(), verbosity)
}

/// Builds a message for each target.
fn messages(targets: Vec<Target>, headers: &Headers, text: Vec<u8>) -> Vec<Spooled> {
    let content = Content::Memory(Bytes::from(text));
    let mut ids = vec![MsgIds::default(); targets.len()];
    let messages = targets.into_iter().zip(&mut ids).map(|(to, ids)| Spooled {
        id: ids::fresh(ids),
        to,
        headers: headers.clone(),
        due_ms: None,
        content: content.clone(),
        is_cuttable: true,
    });
    messages.collect()
}

fn finish(delivery: SpoolDelivery, some_unknown: bool, verbosity: Verbosity) -> Result<Exit> {
    if delivery.kept > 0 {
        notices::note(verbosity, "the mail is kept in the spool until the server can be reached");
    }
    for to in &delivery.shortened {
        let what = "is over the server's limit: its start and its end were sent";
        notices::note(verbosity, &format!("the mail to {to} {what}"));
    }
    for (at, (to, error)) in delivery.failed.iter().enumerate() {
        // The first cause is printed as the error.
        let cause = if at == 0 { String::new() } else { format!(": {}", failure::line(error)) };
        notices::note(verbosity, &format!("the mail to {to} is set aside in the spool{cause}"));
    }
    match delivery.failed.into_iter().next() {
        Some((_, error)) => Err(error),
        None if some_unknown => Ok(Exit::NoUser),
        None => Ok(Exit::Success),
    }
}

/// A mail as read. `cut` is its size in bytes if it was too long and was shortened.
struct MailInput {
    bytes: Vec<u8>,
    cut: Option<u64>,
}

/// Reads the mail from stdin.
fn input(dots_are_text: bool) -> Result<MailInput> {
    let stdin = io::stdin().lock();
    let mut input =
        read_bounded(stdin, MAIL_LEN_MAX).map_err(|error| failure::unreadable("stdin", error))?;
    if !dots_are_text {
        cut_at_dot(&mut input.bytes);
    }
    Ok(input)
}

/// Reads all input. Of more than `len_max` bytes, keeps the start and the end.
fn read_bounded(mut from: impl Read, len_max: usize) -> io::Result<MailInput> {
    let (mut bytes, mut end) = (Vec::new(), Vec::new());
    from.by_ref().take(len_max as u64 + 1).read_to_end(&mut bytes)?;
    let mut size = bytes.len() as u64;
    if bytes.len() <= len_max {
        return Ok(MailInput { bytes, cut: None });
    }
    // A writer must not block on a pipe that nobody reads.
    let mut last = bytes.split_off(bytes.len() / 2);
    loop {
        let read = from.by_ref().take(len_max as u64 / 2).read_to_end(&mut end)?;
        if read == 0 {
            break;
        }
        size += read as u64;
        last.append(&mut end);
        last.drain(..last.len().saturating_sub(len_max / 2 + 1));
    }
    let bytes = excerpt::of_ends(&bytes, &last, size, len_max);
    Ok(MailInput { bytes, cut: Some(size) })
}

/// Truncates a mail at a line with a single dot.
fn cut_at_dot(bytes: &mut Vec<u8>) {
    let mut start = 0;
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        if line.trim_ascii_end() == b"." {
            bytes.truncate(start);
            return;
        }
        start += line.len();
    }
}

/// Resolves recipients to targets, each once, and lists recipients without a target. Mail without
/// recipients goes to the targets of the alias `*`.
fn route(recipients: &[String], config: &Config) -> (Vec<Target>, Vec<String>) {
    let (mut targets, mut unknown): (Vec<Target>, Vec<String>) = (Vec::new(), Vec::new());
    if recipients.is_empty() {
        targets.extend(config.alias("*").into_iter().flat_map(|alias| alias.0.iter().cloned()));
    }
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

/// Strips the domain from an address on this machine.
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
        shortened(text.trim())
    };
    let mut headers = HeaderArgs::default();
    let mut put = |name, value: &str| headers.add(name, clean(value));
    if let Some(sender) = sender {
        put(MAIL_FROM, sender);
    }
    if let Some(name) = name {
        put(MAIL_NAME, name);
    }
    if mail.attachments > 0 {
        put(ATTACHMENTS, &mail.attachments.to_string());
    }
    if let Some(subject) = &mail.subject {
        put(TITLE, subject);
    }
    put(TYPE, "text/plain");
    headers
}

/// Shortens a line to the length of a title, with an ellipsis if it was cut.
fn shortened(text: &str) -> String {
    if text.len() <= TITLE_LEN_MAX {
        return text.to_owned();
    }
    let fits = |(at, c): &(usize, char)| at + c.len_utf8() + '…'.len_utf8() <= TITLE_LEN_MAX;
    text.char_indices().take_while(fits).map(|(_, c)| c).chain(['…']).collect()
}

fn print_dry_run(targets: &[Target], headers: &HeaderArgs, mail: &Mail) -> Result<Exit> {
    let to: Vec<_> = targets.iter().map(ToString::to_string).collect();
    print::text(&format!("to: {}", to.join(",")))?;
    for (name, value) in headers.headers()?.iter() {
        print::text(&format!("{name}: {value}"))?;
    }
    print::line(&format!("body: {} bytes", mail.text.len()))?;
    Ok(Exit::Success)
}

/// Checks for the fuzzer: any mail can be parsed, and plain text is kept byte for byte.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(bytes: &[u8]) {
    for header in ["Subject: s\n\n", "To: a\nContent-Type: text/plain; charset=x\n\n"] {
        assert!(parse::read(&[header.as_bytes(), bytes].concat()).text == bytes);
    }
    for header in ["Content-Type: text/html\n\n", "Content-Transfer-Encoding: base64\n\n"] {
        let has_text =
            !parse::read(&[header.as_bytes(), bytes].concat()).text.trim_ascii().is_empty();
        assert!(has_text || !bytes.iter().any(u8::is_ascii_alphabetic));
    }
    let mail = parse::read(bytes);
    assert!(mail.text.len() <= 4 * bytes.len() + 64, "{} bytes", mail.text.len());
    let headers = header_args(&mail, mail.from.as_deref(), mail.subject.as_deref());
    assert!(headers.headers().is_ok());
    for recipient in &mail.recipients {
        let _ = local(recipient);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::{cut_at_dot, local, read_bounded};

    #[test]
    fn of_a_mail_without_end_the_ends_are_kept() {
        let text: Vec<u8> = (0..10_000).flat_map(|n| format!("{n}\n").into_bytes()).collect();
        for len_max in [100, 1000, 20_000, 48_889] {
            let input = read_bounded(&text[..], len_max).unwrap();
            assert_eq!(input.cut, Some(48_890));
            assert!(input.bytes.len() <= len_max && input.bytes.len() > len_max / 2);
            assert!(input.bytes.starts_with(b"0\n1\n") && input.bytes.ends_with(b"\n9999\n"));
        }
        for len_max in [48_890, 1 << 20] {
            let input = read_bounded(&text[..], len_max).unwrap();
            assert!(input.cut.is_none() && input.bytes == text);
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
            cut_at_dot(&mut bytes);
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
