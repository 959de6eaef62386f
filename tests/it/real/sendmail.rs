//! Mail from programs that call `/usr/sbin/sendmail`, cron itself among them.

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

/// A program called sendmail, as others call it.
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

/// Title and body of the one message for an id.
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
    // cron of Debian.
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
    // mdadm: recipients in the mail. A dot ends it.
    let mail =
        "From: mdadm <root>\nTo: root@localhost, bob\nSubject: Fail event\n\n/dev/md0\n.\nrest\n";
    sendmail(&home, "-t", mail).code(0);
    assert_eq!(one(&home, "ops"), ("Fail event".into(), "/dev/md0\n".into()));
    assert_eq!(one(&home, "bob"), ("Fail event".into(), "/dev/md0\n".into()));
    // at, and smartd by mailx.
    sendmail(&home, "-i bob", "Subject: at\nTo: bob\n\n.\nx").code(0);
    assert_eq!(one(&home, "bob"), ("at".into(), ".\nx".into()));
    let mail = "To: admin@example.org\nSubject: =?utf-8?q?SMART_=C3=BC?=\nMIME-Version: 1.0\n\
                Content-Type: text/plain; charset=iso-8859-1\n\
                Content-Transfer-Encoding: quoted-printable\n\ngr=FC=DFe\n";
    sendmail(&home, "-oi -f root@host -t", mail).code(0);
    assert_eq!(one(&home, "ops"), ("SMART ü".into(), "grüße\n".into()));
    assert_eq!(one(&home, "bob").1, "grüße\n");
    // As a verb, with flags of its own.
    let args = ["sendmail", "--as", "ops", "-t", "-v", "-q"];
    home.pipe(b"To: root, ops\nSubject: once\n\nx", &args).code(0);
    assert_eq!(one(&home, "ops").0, "once");
    sendmail(&home, "-q", "").code(0);
}

#[test]
fn what_cannot_be_routed_is_said() {
    let home = Home::new();
    let _server = joined(&home);
    let hi = "Subject: hi\n\nx";
    sendmail(&home, "", hi).code(2).says("no recipient is given");
    sendmail(&home, "-t", hi).code(67).says("the mail names no recipient");
    sendmail(&home, "-bs bob", hi).code(2).says("-bs is not done here");
    sendmail(&home, "-z bob", hi).code(2).says("-z is not known");
    sendmail(&home, "b!b", hi)
        .code(67)
        .says("b!b is no id, and no alias")
        .says("[sendmail.aliases]");
    sendmail(&home, "b!b bob", hi).code(67).says("b!b is no id");
    assert_eq!(one(&home, "bob").0, "hi");
    configure(&home, "[sendmail.aliases]\n\"*\" = \"ops\"\nbob = \"bob\"\n");
    sendmail(&home, "b!b nobody@example.org", hi).code(0);
    assert_eq!(one(&home, "ops").0, "hi");
    let said = home.pipe(hi.as_bytes(), &["sendmail", "--dry-run", "BOB"]).ok();
    assert_eq!(said, "to: bob\ntitle: hi\ntype: text/plain\nbody: 1 bytes\n");
    assert!(read(&home, "bob").is_empty());
}

#[test]
fn mail_is_not_lost() {
    let home = Home::new();
    let server = home.serve(&["--max-body", "1000"]);
    home.join(&server, &["host", "bob"]);
    let address = server.address.clone();
    // What the server will not have is nobody's to send again: it is kept and listed.
    sendmail(&home, "nobody", "\n\nx")
        .code(67)
        .says("set aside in the spool: no such user: nobody");
    let long = format!("Subject: long\n\n{}", "x".repeat(1001));
    sendmail(&home, "bob", &long).code(65).says("over the server's limit");
    let listed = home.run(&["spool", "list"]).ok();
    assert_eq!(listed.lines().count(), 2, "{listed}");
    assert!(
        listed.contains("host -> nobody, 2 bytes, set aside: no such user: nobody"),
        "{listed}"
    );
    assert!(listed.contains("1001 bytes \"long\", set aside: the body is over"), "{listed}");
    home.run(&["spool", "drop", "--all"]).code(0);
    server.kill();
    let mut command = home.command(&["sendmail", "--timeout", "200ms", "bob"]);
    let said =
        start_with(std::mem::replace(&mut command, home.command(&["x"])), b"a: b\n\nx".to_vec());
    said.end().code(0).says("kept in the spool");
    // Another server on the same port: somebody has to look into it, and the mail is there.
    let other = Home::new();
    let impostor = other.serve_on(&address, &[]);
    sendmail(&home, "bob", "a: b\n\ny").code(77);
    impostor.kill();
    assert_eq!(home.run(&["spool", "list"]).ok().lines().count(), 2);
    let _server = home.serve_on(&address, &[]);
    home.run(&["spool", "flush"]).code(0);
    let bodies: Vec<Value> = read(&home, "bob").into_iter().map(|m| m["body"].clone()).collect();
    assert_eq!(bodies, ["x", "y"]);
}

/// The daemon of the distribution, with jobs that print.
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

/// The daemon with root's crontab, in namespaces in which it finds only what is made for it, and
/// which end with it.
pub(crate) fn cron(home: &Home, crontab: &str) -> Running {
    fs::write(home.path().join("crontab"), crontab).unwrap();
    let passwd = format!("root:x:0:0:root:{}:/bin/sh\n", home.path().display());
    fs::write(home.path().join("passwd"), passwd).unwrap();
    let line = CRON.replace("HOME", home.path().to_str().unwrap()).replace("QMSG", QMSG);
    start(home.program("unshare", &["-mp", "--fork", "--kill-child", "/bin/sh", "-ec", &line]))
}

/// Starts cron where its tables, its directory of runs and sendmail are ours. It gives sendmail its
/// own environment, not the job's, and so no HOME: root's home is what its account says.
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
