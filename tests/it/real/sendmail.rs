//! Mail from programs that call `/usr/sbin/sendmail`, among them cron.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use serde_json::Value;

use super::kit::{Home, Running, Said, Server, Stream, start, start_with};
use crate::needs::needs;

const QMSG: &str = env!("CARGO_BIN_EXE_qmsg");

fn joined(home: &Home) -> Server {
    let server = home.serve(&[]);
    home.join(&server, &["host", "ops", "bob"]);
    server
}

fn configure(home: &Home, text: &str) {
    let dir = home.path().join(".config/qmsg");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("config.toml"), text).unwrap();
}

/// Runs qmsg under the name sendmail.
fn sendmail(home: &Home, args: &str, mail: &str) -> Said {
    let program = home.path().join("sendmail");
    if !program.exists() {
        symlink(QMSG, &program).unwrap();
    }
    let args: Vec<&str> = args.split_whitespace().collect();
    start_with(home.program(program.to_str().unwrap(), &args), mail.as_bytes().to_vec()).end()
}

fn read(home: &Home, id: &str) -> Vec<Value> {
    let text = home.run(&["listen", "--poll", "--json", "--as", id]).ok();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Title and body of the only message for an id.
fn one(home: &Home, id: &str) -> (String, String) {
    let messages = read(home, id);
    assert_eq!(messages.len(), 1, "{messages:?}");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&messages[0]["headers"]["title"]), text(&messages[0]["body"]))
}

#[test]
fn each_caller_gets_its_mail_through() {
    let home = Home::new();
    let _server = joined(&home);
    configure(
        &home,
        "[sendmail.aliases]\nroot = \"ops\"\n\"admin@example.org\" = [\"bob\", \"ops\"]\n",
    );
    // Debian's cron.
    let mail = "From: root (Cron Daemon)\nTo: root\nSubject: Cron <root@host> backup\n\
                Content-Type: text/plain; charset=ANSI_X3.4-1968\n\
                X-Cron-Env: <HOME=/>\n\ndisk full\n\u{e4}\n";
    sendmail(&home, "-FCronDaemon -i -B8BITMIME -oem root", mail).code(0);
    let message = read(&home, "ops").remove(0);
    assert_eq!(message["body"], "disk full\n\u{e4}\n");
    assert_eq!(message["headers"]["title"], "Cron <root@host> backup");
    assert_eq!(message["headers"]["type"], "text/plain");
    assert_eq!(message["headers"]["mail-name"], "CronDaemon");
    assert_eq!(message["from"], "host", "who has joined first");
    // mdadm: the recipients are in the mail. A dot ends it.
    let mail =
        "From: mdadm <root>\nTo: root@localhost, bob\nSubject: Fail event\n\n/dev/md0\n.\nrest\n";
    sendmail(&home, "-t", mail).code(0);
    assert_eq!(one(&home, "ops"), ("Fail event".into(), "/dev/md0\n".into()));
    assert_eq!(one(&home, "bob"), ("Fail event".into(), "/dev/md0\n".into()));
    // at, and smartd through mailx.
    sendmail(&home, "-i bob", "Subject: at\nTo: bob\n\n.\nx").code(0);
    assert_eq!(one(&home, "bob"), ("at".into(), ".\nx".into()));
    let mail = "To: admin@example.org\nSubject: =?utf-8?q?SMART_=C3=BC?=\nMIME-Version: 1.0\n\
                Content-Type: text/plain; charset=iso-8859-1\n\
                Content-Transfer-Encoding: quoted-printable\n\ngr=FC=DFe\n";
    sendmail(&home, "-oi -f root@host -t", mail).code(0);
    assert_eq!(one(&home, "ops"), ("SMART ü".into(), "grüße\n".into()));
    assert_eq!(one(&home, "bob").1, "grüße\n");
    // The verb `sendmail`, with flags of its own.
    let args = ["sendmail", "--as", "ops", "-t", "-v", "-q"];
    home.pipe(b"To: root, ops\nSubject: once\n\nx", &args).code(0);
    assert_eq!(one(&home, "ops").0, "once");
    sendmail(&home, "-q", "").code(0);
}

#[test]
fn mail_without_a_valid_recipient_is_an_error() {
    let home = Home::new();
    let _server = joined(&home);
    let hi = "Subject: hi\n\nx";
    sendmail(&home, "", hi).code(2).says("no recipient is given");
    sendmail(&home, "-t", hi).code(67).says("the mail names no recipient");
    sendmail(&home, "-bs bob", hi).code(2).says("-bs is not supported");
    sendmail(&home, "-bi", "").code(0);
    sendmail(&home, "-z --no-such bob -f", hi).code(0).says("ignoring the unknown option -z");
    assert_eq!(one(&home, "bob").0, "hi");
    sendmail(&home, "b!b", hi)
        .code(67)
        .says("b!b is neither an id nor an alias")
        .says("[sendmail.aliases]");
    sendmail(&home, "b!b bob", hi).code(67).says("b!b is neither an id nor an alias");
    assert_eq!(one(&home, "bob").0, "hi");
    configure(&home, "[sendmail.aliases]\n\"*\" = \"ops\"\nbob = \"bob\"\n");
    for (args, mail) in
        [("b!b nobody@example.org", hi), ("-t", hi), ("-t", "To: x:;\nSubject: hi\n\n")]
    {
        sendmail(&home, args, mail).code(0);
        assert_eq!(one(&home, "ops").0, "hi");
    }
    for args in [["sendmail", "--dry-run", "BOB"], ["sendmail", "BOB", "--dry-run"]] {
        let said = home.pipe(hi.as_bytes(), &args).ok();
        assert_eq!(said, "to: bob\ntitle: hi\ntype: text/plain\nbody: 1 bytes\n");
    }
    home.pipe(hi.as_bytes(), &["sendmail", "bob", "--as", "b b"]).code(2);
    for empty in ["", "\n", "To: bob\n\n"] {
        sendmail(&home, "bob", empty).code(0);
        assert_eq!(one(&home, "bob"), ("(empty mail)".into(), String::new()));
    }
}

#[test]
fn whatever_a_program_prints_arrives() {
    let home = Home::new();
    let _server = joined(&home);
    let (mixed, html) = (
        "Content-Type: multipart/mixed; boundary=b\n\n",
        "Subject: t\nContent-Type: text/html\n\n",
    );
    for (input, title, body) in [
        // Output of programs, in which a colon makes no header.
        (
            " 09:12:01 up 3 days,  load average: 0.01\n",
            "",
            " 09:12:01 up 3 days,  load average: 0.01\n",
        ),
        ("Total: 5\nFailed: 1\n\nlog\n", "", "Total: 5\nFailed: 1\n\nlog\n"),
        // A header without an end.
        ("Subject: t\nweb1: no answer\nfor 5 minutes\n", "t", "web1: no answer\nfor 5 minutes\n"),
        ("Subject: t\n", "t", ""),
        // Mail without a text part, and broken mail.
        (
            &format!("{mixed}--b\nContent-Type: image/png; name=a.png\n\nx\n--b--\n"),
            "",
            "[left out: a.png, image/png, 1 byte]\n",
        ),
        (&format!("{mixed}nobody has begun a part\n"), "", "nobody has begun a part\n"),
        (
            &format!("{mixed}--b\nContent-Transfer-Encoding: base64\n\nthat's none\n"),
            "",
            "that's none\n",
        ),
        // HTML.
        (
            &format!("{html}<table><tr><td>sda<td>91 %</table><a href=http://x.example/y>more</a>"),
            "t",
            "sda\t91 %\n\nmore <http://x.example/y>\n",
        ),
    ] {
        sendmail(&home, "bob", input).code(0);
        assert_eq!(one(&home, "bob"), (title.into(), body.into()), "{input}");
    }
}

#[test]
fn long_mail_arrives_without_its_middle() {
    let home = Home::new();
    let server = home.serve(&["--max-body", "1000"]);
    home.join(&server, &["host", "bob"]);
    let address = server.address.clone();
    let text: String = (1..=1000).map(|n| format!("line {n}\n")).collect();
    let long = format!("Subject: nightly\n\n{text}");
    let arrives = |what: &str| {
        let message = read(&home, "bob").remove(0);
        let body = message["body"].as_str().unwrap();
        assert!(body.len() <= 1000 && body.starts_with("line 1\nline 2\n"), "{what}: {body}");
        assert!(body.ends_with("line 999\nline 1000\n") && body.contains("bytes left out …]\n"));
        let headers = &message["headers"];
        assert_eq!(headers["truncated"], text.len().to_string(), "{what}");
        assert_eq!(headers["title"], "nightly", "{what}");
    };
    sendmail(&home, "bob", &long).code(0).says("over the server's limit");
    arrives("at once");
    // The server's limit is unknown while it is away.
    server.kill();
    home.pipe(long.as_bytes(), &["sendmail", "--timeout", "200ms", "bob"]).code(0);
    let server = home.serve_on(&address, &["--max-body", "1000"]);
    home.run(&["spool", "flush"]).code(0).says("1 message sent");
    arrives("from the spool");
    // Mail is not refused for the size of the spool as long as something fits.
    server.kill();
    let small = ["sendmail", "--timeout", "200ms", "--spool-max", "12KiB", "bob"];
    home.pipe(long.repeat(10).as_bytes(), &small).code(0).says("kept in the spool");
    home.pipe(long.as_bytes(), &small).code(73).says("is full");
    let _server = home.serve_on(&address, &["--max-body", "1MiB"]);
    home.run(&["spool", "flush"]).code(0);
    let message = read(&home, "bob").remove(0);
    let size = message["headers"]["truncated"].as_str().unwrap();
    assert_eq!(size, (long.len() * 10 - "Subject: nightly\n\n".len()).to_string());
    assert!(message["body"].as_str().unwrap().ends_with("line 1000\n"));
}

#[test]
fn mail_is_not_lost() {
    let home = Home::new();
    let server = joined(&home);
    let address = server.address.clone();
    // A message that the server refuses for good is kept and listed, and not sent again.
    sendmail(&home, "nobody", "\n\nx")
        .code(67)
        .says("set aside in the spool\nqmsg: no such user: nobody\n");
    let listed = home.run(&["spool", "list"]).ok();
    assert!(listed.contains("nobody") && listed.contains("no such user: nobody"), "{listed}");
    home.run(&["spool", "drop", "--all"]).code(0);
    server.kill();
    home.run(&["send", "bob", "--spool", "--timeout", "200ms", "x"]).code(75);
    assert!(sendmail(&home, "-bp", "").ok().contains("\thost\tbob\t1\twaiting"));
    home.run(&["spool", "drop", "--all"]).code(0);
    let mail = b"Subject: b\n\nx";
    home.pipe(mail, &["sendmail", "--timeout", "200ms", "bob"]).code(0).says("kept in the spool");
    // Another server on the same port needs somebody's attention; the mail is kept.
    let other = Home::new();
    let impostor = other.serve_on(&address, &[]);
    sendmail(&home, "bob", "Subject: b\n\ny").code(77);
    impostor.kill();
    assert_eq!(home.run(&["spool", "list", "--json"]).ok().lines().count(), 2);
    let _server = home.serve_on(&address, &[]);
    home.run(&["spool", "flush"]).code(0);
    let bodies: Vec<Value> = read(&home, "bob").into_iter().map(|m| m["body"].clone()).collect();
    assert_eq!(bodies, ["x", "y"]);
}

/// The distribution's cron daemon, with jobs that print.
#[test]
fn cron_sends_the_output_of_its_jobs() {
    needs!("cron");
    let home = Home::new();
    let server = joined(&home);
    configure(&home, "as = \"host\"\n[sendmail.aliases]\nroot = \"ops\"\n");
    let mut listener = home.listen(&["--as", "ops", "--json"]);
    let cron = cron(&home, "@reboot echo booted\n* * * * * echo every minute; exit 3\n");
    let minute = Duration::from_secs(150);
    listener.until_in(minute, Stream::Out, "\"body\":\"booted\\n\"");
    listener.until_in(minute, Stream::Out, "\"body\":\"every minute\\n\"");
    drop(cron);
    listener.signal("TERM");
    let said = listener.end();
    let text = String::from_utf8(said.stdout).unwrap();
    let message: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let title = message["headers"]["title"].as_str().unwrap();
    assert!(title.starts_with("Cron <root@") && title.ends_with(" echo booted"), "{title}");
    assert_eq!((&message["from"], &message["to"]), (&"host".into(), &"ops".into()));
    drop(server);
}

/// Starts the cron daemon with root's crontab, in namespaces where it finds only the test's files,
/// and which end with it.
pub(crate) fn cron(home: &Home, crontab: &str) -> Running {
    fs::write(home.path().join("crontab"), crontab).unwrap();
    let passwd = format!("root:x:0:0:root:{}:/bin/sh\n", home.path().display());
    fs::write(home.path().join("passwd"), passwd).unwrap();
    let line = CRON.replace("HOME", home.path().to_str().unwrap()).replace("QMSG", QMSG);
    start(home.program("unshare", &["-mp", "--fork", "--kill-child", "/bin/sh", "-ec", &line]))
}

/// Starts cron with crontabs, run directory and sendmail of the test. cron gives sendmail its own
/// environment and not the job's, so HOME is missing: the account's home is root's.
const CRON: &str = "\
mkdir -p HOME/bin HOME/sbin HOME/crontabs
[ -e HOME/bin/qmsg ] || ln -s QMSG HOME/bin/qmsg
ln -s QMSG HOME/sbin/sendmail
cp /usr/sbin/cron HOME/sbin/
install -m 600 HOME/crontab HOME/crontabs/root
mount -t tmpfs tmpfs /var/spool/cron
mkdir /var/spool/cron/crontabs
mount --bind HOME/crontabs /var/spool/cron/crontabs
mount -t tmpfs tmpfs /etc/cron.d
mount --bind /dev/null /etc/crontab
mount -t tmpfs tmpfs /run
mount --bind HOME/passwd /etc/passwd
mount --bind HOME/bin /usr/local/bin
mount --bind HOME/sbin /usr/sbin
exec env -i PATH=/usr/sbin:/usr/bin:/bin /usr/sbin/cron -f
";
