//! A mail reduced to its recipients, subject and text.

use mail_parser::{Addr, Address};

use crate::cli::limits::LEFT_OUT_MAX;
use crate::cli::limits::TITLE_LEN_MAX;
use crate::cli::verbs::sendmail::mail::header::Header;
use crate::cli::verbs::sendmail::mail::{decode, mime};

/// A parsed mail.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Mail {
    pub(crate) subject: Option<String>,
    pub(crate) from: Option<String>,
    /// Addresses in To, Cc and Bcc.
    pub(crate) recipients: Vec<String>,
    pub(crate) text: Vec<u8>,
    /// Number of parts left out because they are not text.
    pub(crate) attachments: usize,
}

/// Parses a mail. Input that is not a mail is all text.
pub(crate) fn read(bytes: &[u8]) -> Mail {
    // Old Mac OS line ends.
    if bytes.contains(&b'\r') && !bytes.contains(&b'\n') {
        let lines = bytes.iter().map(|&byte| if byte == b'\r' { b'\n' } else { byte });
        let lines: Vec<u8> = lines.collect();
        return if Header::parse(&lines).is_some() { read(&lines) } else { of_text(bytes) };
    }
    let Some(header) = Header::parse(bytes) else { return of_text(bytes) };
    let body = header.body(bytes);
    let content = mime::read(&header, body);
    let mut mail = addressees(&header);
    let (text, left_out) = content.into_parts();
    mail.text = text;
    mail.attachments = left_out.len();
    append_omitted(&mut mail.text, &left_out);
    if decode::is_blank(&mail.text) && !decode::is_blank(body) {
        mail.text = body.to_vec();
    }
    match &mail.subject {
        // Lines with neither a body nor a subject were not meant as a header.
        None if decode::is_blank(&mail.text) && !header.is_ended() => mail.text = bytes.to_vec(),
        Some(subject) if subject.len() > TITLE_LEN_MAX => {
            mail.text.splice(0..0, format!("{subject}\n\n").bytes());
        }
        _ => {}
    }
    mail
}

fn of_text(bytes: &[u8]) -> Mail {
    // An empty first line is an empty header.
    let text = bytes.strip_prefix(b"\n").unwrap_or(bytes);
    Mail { text: text.to_vec(), ..Mail::default() }
}

/// Appends the lines about omitted parts.
fn append_omitted(text: &mut Vec<u8>, left_out: &[String]) {
    if !left_out.is_empty() && !text.is_empty() && !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    for line in left_out.iter().take(LEFT_OUT_MAX) {
        text.extend(format!("{line}\n").bytes());
    }
    if left_out.len() > LEFT_OUT_MAX {
        let more = left_out.len() - LEFT_OUT_MAX;
        text.extend(format!("[left out: {more} more]\n").bytes());
    }
}

/// Parses the addresses of a `To:` field or of an argument.
pub(crate) fn addresses(text: &str) -> Vec<String> {
    let line = text.replace(['\r', '\n'], " ");
    let header = Header::parse(format!("To: {line}\n\n").as_bytes()).unwrap_or_default();
    addressees(&header).recipients
}

fn addressees(header: &Header) -> Mail {
    let wanted = ["from", "sender", "to", "cc", "bcc"];
    let mut mail = header.extract_from(&wanted, |message| {
        let to = message.all_to().chain(message.all_cc()).chain(message.all_bcc());
        Mail {
            from: message.from().or(message.sender()).and_then(|from| all(from).into_iter().next()),
            recipients: to.flat_map(all).collect(),
            ..Mail::default()
        }
    });
    mail.subject = header.subject();
    mail
}

fn all(address: &Address<'_>) -> Vec<String> {
    // The parser takes a local name alone, such as root, for a display name.
    let text = |address: &Addr<'_>| address.address().or(address.name()).map(str::to_owned);
    address.iter().filter_map(text).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, prop, prop_assert, proptest};

    use super::{Mail, addresses, read};

    fn of(subject: &str, recipients: &[&str], text: &str) -> Mail {
        Mail {
            subject: Some(subject.to_owned()).filter(|subject| !subject.is_empty()),
            recipients: recipients.iter().map(|&to| to.to_owned()).collect(),
            text: text.as_bytes().to_vec(),
            ..Mail::default()
        }
    }

    #[test]
    fn mails() {
        let ascii = "Content-Type: text/plain; charset=ANSI_X3.4-1968\n";
        let encoded = "Content-Type: text/plain; charset=iso-8859-1\n\
                       Content-Transfer-Encoding: quoted-printable\n\ngr=FC=DFe\n";
        let parts = "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\
                     Content-Type: text/html\n\n<p>two &amp; three</p>\n--b\n\
                     Content-Type: image/gif\n\nR0lG\n--b--\n";
        let parts_text = "one\ntwo & three\n[left out: image/gif, 4 bytes]\n";
        let long = "long ".repeat(300);
        for (text, wanted) in [
            ("To: root\nSubject: a b\n\nx\n\ny\r\n", of("a b", &["root"], "x\n\ny\r\n")),
            (&format!("Subject: x\n{ascii}\n\u{e4}\n"), of("x", &[], "\u{e4}\n")),
            ("Subject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\n fold\n\n", of("grüße fold", &[], "")),
            (encoded, of("", &[], "grüße\n")),
            ("To: a, B <b@c>\nCc: @ops\nBcc: d\n\n", of("", &["a", "b@c", "@ops", "d"], "")),
            (parts, Mail { attachments: 1, ..of("", &[], parts_text) }),
            ("Subject: only\n", of("only", &[], "")),
            ("To: root\n\n", of("", &["root"], "")),
            ("X-Alarm: disk full\n", of("", &[], "X-Alarm: disk full\n")),
            ("http://x.example is down\n", of("", &[], "http://x.example is down\n")),
            ("\n\nx", of("", &[], "\nx")),
            ("To: ops\rSubject: s\r\rx\ry\r", of("s", &["ops"], "x\ny\n")),
            ("10 %\r20 %\r", of("", &[], "10 %\r20 %\r")),
            ("To: undisclosed-recipients:;\n\nx", of("", &[], "x")),
            ("To: Team: a, \"B, C\" <b@c>;, d\n\nx", of("", &["a", "b@c", "d"], "x")),
            (
                &format!("Subject: {long}\n\nx"),
                of(long.trim(), &[], &format!("{}\n\nx", long.trim())),
            ),
            ("Date: Someday\nTo: a\n\nx", of("", &["a"], "x")),
            ("no mail at all\n\nbut text\n", of("", &[], "no mail at all\n\nbut text\n")),
            ("", Mail::default()),
        ] {
            assert_eq!(read(text.as_bytes()), wanted, "{text}");
        }
        let mail = read(b"From: Cron Daemon <root@host>\n\n\xff\x00");
        assert_eq!((mail.from.as_deref(), &mail.text[..]), (Some("root@host"), &b"\xff\x00"[..]));
    }

    #[test]
    fn arguments_are_addresses() {
        for (text, wanted) in [
            ("root", &["root"][..]),
            ("root,bob@example.org", &["root", "bob@example.org"]),
            ("<root@host>", &["root@host"]),
            ("The admin <root>", &["root"]),
            ("@ops", &["@ops"]),
            ("db-01.cron", &["db-01.cron"]),
            ("", &[]),
        ] {
            assert_eq!(addresses(text), wanted, "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn whatever_comes_is_read(
            lines in prop::collection::vec(prop::sample::select(vec![
                "Subject: x\n", "Received:\n\t", "Received: from x by y;\r\n\t", "To: <", "\n",
                "Content-Type: multipart/mixed; boundary=b\n", "--b\n", "--b--\n", "=?utf-8?q?=",
                "Content-Type: message/rfc822\n", "Content-Transfer-Encoding: base64\n", "R0lG\n",
                "Date: x\n", "charset*0*=utf-8''%", "\r", "\t", ": ", "(", "\"", "text\n",
                "Content-Type: text/html; charset=", "koi8-r\n", "<a href=", "quoted-printable",
                "multipart/alternative; boundary=\"\"\n", "<pre>", "&#", "From ", "\u{feff}", "\0",
            ]), 0..24),
            noise in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let mut bytes = lines.concat().into_bytes();
            bytes.extend(noise);
            let mail = read(&bytes);
            prop_assert!(mail.text.len() <= 4 * bytes.len() + 64);
            let is_blank = mail.text.trim_ascii().is_empty();
            // The subject is the only part of the header that is shown.
            let is_header = bytes.windows(2).any(|two| two == b"\n\n" || two == b"\n\r");
            let is_addressed = mail.subject.is_some() || is_header;
            prop_assert!(!is_blank || is_addressed || bytes.iter().all(|b| !b.is_ascii_graphic()));
        }

        #[test]
        fn every_word_of_text_arrives(
            header in prop::sample::select(vec![
                "", "\n", "Subject: s\n", "Subject: s\n\n", "To: a\r\nSubject: s\r\n\r\n",
                "From: x\nContent-Type: text/plain; charset=utf-8\n\n",
                "From root Mon Nov 30\nTo: a\n\n",
                "Content-Type: text/plain; charset=unknown-8bit\nSubject: s\n\n",
                "Content-Type: ;\n\n",
                "Content-Type: multipart/mixed; boundary=never\nSubject: s\n\n",
                "Content-Type: a/b\n\n",
                "Content-Type: text/html\n\n", "Content-Type: message/rfc822\n\n",
                "Content-Transfer-Encoding: quoted-printable\n\n",
                "Content-Transfer-Encoding: 7bit\n\n",
            ]),
            words in prop::collection::vec("[a-zA-Z0-9:.,/()%*-]{1,9}", 1..20),
            ends in prop::collection::vec(prop::sample::select(vec![" ", "\n", "\r\n", "\t"]), 20),
        ) {
            let text: String =
                words.iter().zip(ends).map(|(word, end)| format!("{word}{end}")).collect();
            let mail = read(format!("{header}{text}").as_bytes());
            let arrived = String::from_utf8_lossy(&mail.text).into_owned();
            let arrived: Vec<&str> = arrived.split_whitespace().collect();
            for word in text.split_whitespace() {
                let shows = arrived.contains(&word);
                prop_assert!(shows, "{word:?} of {header:?} {text:?}: {arrived:?}");
            }
        }
    }
}
