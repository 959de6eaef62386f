//! A mail, as far as it matters here: who is to get it, its subject, its text.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mail_parser::{Address, Encoding, Message, MessageParser, MimeHeaders, PartType};

/// Character sets in which bytes are what they are, or ought to be.
const PLAIN: &[&str] = &["utf-8", "utf8", "us-ascii", "ascii", "ansi_x3.4-1968"];

/// What is in a mail.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Mail {
    pub(super) subject: Option<String>,
    pub(super) from: Option<String>,
    /// Of To, Cc and Bcc.
    pub(super) recipients: Vec<String>,
    pub(super) text: Vec<u8>,
    /// Parts that are not text; they are left out.
    pub(super) attachments: usize,
}

/// Reads a mail. What is none is text from its first byte.
pub(super) fn read(bytes: &[u8]) -> Mail {
    // It promises not to panic, and has broken that before; cron's mail is not lost for it.
    let parse = || {
        let message = MessageParser::default().parse(bytes)?;
        let is_text = message.headers().is_empty() && !bytes.starts_with(b"\n");
        (!is_text).then(|| understand(&message))
    };
    let mail = catch_unwind(AssertUnwindSafe(parse)).unwrap_or_default();
    mail.unwrap_or_else(|| Mail { text: bytes.to_vec(), ..Mail::default() })
}

/// Addresses as they stand behind `To:`, or in an argument.
pub(super) fn addresses(text: &str) -> Vec<String> {
    let line = text.replace(['\r', '\n'], " ");
    read(format!("To: {line}\n\n").as_bytes()).recipients
}

fn understand(message: &Message<'_>) -> Mail {
    let to = message.all_to().chain(message.all_cc()).chain(message.all_bcc());
    Mail {
        subject: message.subject().map(str::to_owned),
        from: message.from().and_then(|from| all(from).into_iter().next()),
        recipients: to.flat_map(all).collect(),
        text: plain(message).unwrap_or_else(|| decoded(message)),
        attachments: message.attachment_count(),
    }
}

fn all(address: &Address<'_>) -> Vec<String> {
    // A local name alone, such as root, is taken for a name without an address.
    let text =
        |address: &mail_parser::Addr<'_>| address.address().or(address.name()).map(str::to_owned);
    address.iter().filter_map(text).collect()
}

/// The body of a mail that is nothing but text, byte for byte: output of programs may be anything.
fn plain(message: &Message<'_>) -> Option<Vec<u8>> {
    let part = message.root_part();
    let kind = part.content_type();
    let is_plain = kind.is_none_or(|kind| {
        let set = kind.attribute("charset").unwrap_or("utf-8").to_ascii_lowercase();
        PLAIN.contains(&set.as_str())
    });
    let is_text = matches!(part.body, PartType::Text(_)) && part.encoding == Encoding::None;
    let range = part.raw_body_offset() as usize..part.raw_end_offset() as usize;
    (is_text && is_plain).then(|| message.raw_message().get(range).map(<[u8]>::to_vec))?
}

/// All that is text, HTML made readable.
fn decoded(message: &Message<'_>) -> Vec<u8> {
    let texts = (0..message.text_body_count()).filter_map(|at| message.body_text(at));
    texts.collect::<Vec<_>>().join("\n").into_bytes()
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
        for (text, wanted) in [
            ("To: root\nSubject: a b\n\nx\n\ny\r\n", of("a b", &["root"], "x\n\ny\r\n")),
            (&format!("Subject: x\n{ascii}\n\u{e4}\n"), of("x", &[], "\u{e4}\n")),
            ("Subject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\n fold\n\n", of("grüße fold", &[], "")),
            (encoded, of("", &[], "grüße\n")),
            ("To: a, B <b@c>\nCc: @ops\nBcc: d\n\n", of("", &["a", "b@c", "@ops", "d"], "")),
            (parts, Mail { attachments: 1, ..of("", &[], "one\ntwo & three\n") }),
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
            ]), 0..24),
            noise in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let mut bytes = lines.concat().into_bytes();
            bytes.extend(noise);
            prop_assert!(read(&bytes).text.len() <= 4 * bytes.len() + 64);
        }
    }
}
