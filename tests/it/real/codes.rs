//! The table of exit codes: one test a row, with the error text of each code.

use std::net::UdpSocket;

use super::kit::{Home, Server, Stream, start};
use crate::needs::needs;

#[test]
fn code_0_when_it_is_on_disk() {
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, &["alice", "bob"]);
    let said = home.run(&["send", "bob,alice", "--as", "alice", "hi"]);
    said.code(0);
    assert_eq!((said.stdout.as_slice(), said.stderr.as_str()), (&b""[..], ""), "quiet success");
    // Exit 0 promises that the message survives the sudden death of the server.
    let address = server.address.clone();
    server.kill();
    let _server = home.serve_on(&address, &[]);
    assert_eq!(home.run(&["listen", "--as", "bob", "-n", "1"]).ok(), "hi\n");
}

#[test]
fn code_1_when_stdout_cannot_be_written() {
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, &["bob"]);
    home.run(&["send", "bob", "hi"]).ok();
    home.shell("qmsg listen -n 1 > /dev/full").code(1).says("stdout cannot be written");
    assert_eq!(home.run(&["listen", "-n", "1"]).ok(), "hi\n", "not printed, so not consumed");
}

#[test]
fn code_2_for_wrong_usage() {
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, &["bob"]);
    let cases: [&[&str]; 12] = [
        &[],
        &["shout"],
        &["send"],
        &["send", ""],
        &["send", "-bob"],
        &["send", "b b", "hi"],
        &["send", "bob", "-l", "text"],
        &["send", "bob", "-l", "-0"],
        &["join", "@all"],
        &["listen", "-n", "0"],
        &["listen", "--raw", "--json"],
        &["send", "bob", "--timeout", "soon", "hi"],
    ];
    for args in cases {
        let said = home.run(args);
        assert_eq!(said.code, Some(2), "{args:?}: {}", said.stderr);
        assert!(said.stdout.is_empty(), "{args:?}");
    }
}

#[test]
fn code_13_when_some_recipients_only() {
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, &["bob"]);
    let said = home.run(&["send", "bob,nobody", "--json", "hi"]);
    said.code(13).says("1 of 2 messages were not stored").says("no such user: nobody");
    let lines = String::from_utf8(said.stdout).unwrap();
    let states: Vec<(String, String)> = lines
        .lines()
        .map(|line| {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            (value["to"].as_str().unwrap().into(), value["state"].as_str().unwrap().into())
        })
        .collect();
    assert!(states.contains(&("bob".into(), "accepted".into())), "{states:?}");
    assert!(states.contains(&("nobody".into(), "refused".into())), "{states:?}");
}

#[test]
fn code_65_for_a_body_over_the_limit() {
    let home = Home::new();
    let server = home.serve(&["--max-body", "1000"]);
    home.join(&server, &["bob"]);
    home.pipe(&[7; 1000], &["send", "bob"]).code(0);
    let said = home.pipe(&[7; 1001], &["send", "bob"]);
    said.code(65).says("over the server's limit of 1000 bytes").says("hint: ");
    // The line that is too long fails, the others arrive.
    let lines = format!("a\n{}\nb\n", "x".repeat(1001));
    home.pipe(lines.as_bytes(), &["send", "-l", "bob"]).code(13).says("message 2 to bob");
    let bodies = home.run(&["listen", "--poll"]).ok();
    assert!(bodies.ends_with("\na\nb\n"), "{bodies}");
    home.run(&["send", "bob", "-f", "/no/such/file"]).code(65).says("cannot be read");
    home.run(&["send", "bob", "-f", "/"]).code(65);
}

#[test]
fn code_67_for_no_such_user_or_room() {
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, &["bob"]);
    home.run(&["send", "nobody", "hi"]).code(67).says("no such user: nobody");
    home.run(&["send", "@nowhere", "hi"]).code(67).says("no such room: @nowhere");
}

#[test]
fn code_69_when_nobody_answers() {
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, &["bob"]);
    server.kill();
    let said = home.run(&["send", "bob", "--timeout", "500ms", "hi"]);
    said.code(69).says("no answer").says("hint: is `qmsg serve` running");
    // The port is open, but nothing answers.
    let mute = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = mute.local_addr().unwrap().to_string();
    home.run(&["send", "bob", "--timeout", "500ms", "-s", &address, "hi"]).code(69);
    home.run(&["listen", "--timeout", "500ms", "-s", &address]).code(69);
    home.run(&["send", "bob", "--timeout", "500ms", "-s", "no-such-host.invalid", "hi"])
        .code(69)
        .says("cannot resolve no-such-host.invalid")
        .says("hint: check the name");
}

#[test]
fn code_69_when_the_server_is_as_full_as_it_may_be() {
    let home = Home::new();
    let server = home.serve(&["--max-users", "1"]);
    home.join(&server, &["bob"]);
    let said = home.run(&["join", "carol", "-s", &server.address, "--timeout", "500ms"]);
    said.code(69).says("its limit of users or connections");
}

#[test]
fn code_73_when_the_mailbox_is_full() {
    let home = Home::new();
    let server = home.serve(&["--max-mailbox", "2"]);
    home.join(&server, &["bob", "carol"]);
    home.pipe(b"1\n2\n", &["send", "-l", "bob"]).code(0);
    home.run(&["send", "bob", "3"]).code(73).says("the mailbox of bob is full");
    home.run(&["send", "carol", "other users notice nothing"]).code(0);
    assert_eq!(home.run(&["listen", "-n", "1", "--as", "bob"]).ok(), "1\n");
    home.run(&["send", "bob", "3"]).code(0);
}

#[test]
fn code_73_when_the_disk_is_full() {
    let home = Home::new();
    let server = home.serve(&["--max-store", "300KiB"]);
    home.join(&server, &["bob", "carol"]);
    let mut listener = start(home.command(&["listen", "--as", "carol", "-n", "1"]));
    let body = vec![b'x'; 40_000];
    let mut stored = 0;
    let full = loop {
        let said = home.pipe(&body, &["send", "bob"]);
        if said.code != Some(0) {
            break said;
        }
        stored += 1;
        assert!(stored < 20, "the limit does not hold");
    };
    full.code(73).says("is full").says("hint: ");
    assert!(stored > 0);
    // Readers notice nothing and lose nothing.
    assert!(listener.is_running());
    listener.signal("TERM");
    listener.end().code(143);
    let read = home.run(&["listen", "--as", "bob", "--raw", "-n", &stored.to_string()]).ok();
    assert_eq!(read.len(), stored * body.len());
}

#[test]
fn code_74_when_the_store_cannot_be_written() {
    let home = Home::new();
    let mut server = home.serve(&[]);
    home.join(&server, &["bob"]);
    // A store whose write-ahead log is gone cannot keep anything.
    std::fs::remove_file(home.data().join("store.db-wal")).unwrap();
    let said = home.pipe(&[7; 1 << 20], &["send", "bob", "--timeout", "2s"]);
    assert_ne!(said.code, Some(0), "nothing is acknowledged that is not on disk");
    let (code, text) = server.ended();
    assert_eq!(code, Some(74), "{text}");
    assert!(text.contains("the store failed") && text.contains("hint: "), "{text}");
}

#[test]
fn code_75_when_it_waits_in_the_spool() {
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, &["bob"]);
    server.kill();
    let said = home.run(&["send", "bob", "--spool", "--timeout", "500ms", "hi"]);
    said.code(75).says("not sent yet, but kept").says("hint: ").says("no answer");
    home.run(&["spool", "flush", "--timeout", "500ms"]).code(75).says("hint: nothing is lost");
}

#[test]
fn code_77_for_an_id_that_is_taken_and_a_key_that_is_not_trusted() {
    let (home, other) = (Home::new(), Home::new());
    let server = home.serve(&[]);
    home.join(&server, &["alice"]);
    let said = other.run(&["join", "alice", "-s", &server.address]);
    said.code(77).says("alice belongs to another key");
    other.run(&["join", "mallory", "-s", &server.address]).code(0);
    // Renaming the profile does not change its key.
    let profiles = other.path().join(".local/share/qmsg/profiles");
    std::fs::rename(profiles.join("mallory"), profiles.join("alice")).unwrap();
    other.run(&["send", "alice", "--as", "alice", "hi"]).code(77);
    // Another server on the same port has another key.
    let address = server.address.clone();
    server.kill();
    let _impostor = other.serve_on(&address, &[]);
    home.run(&["send", "alice", "hi"]).code(77).says("has changed: expected SHA256:");
    home.run(&["listen"]).code(77);
    let wrong = format!("SHA256:{}", "A".repeat(43));
    home.run(&["join", "bob", "-s", &address, "--pin", &wrong]).code(77);
}

#[test]
fn code_77_without_a_ticket_where_one_is_needed() {
    let (home, user, late) = (Home::new(), Home::new(), Home::new());
    let server = home.serve_on("0.0.0.0:0", &[]);
    let port = server.address.rsplit_once(':').unwrap().1;
    let address = format!("127.0.0.1:{port}");
    user.run(&["join", "bob", "-s", &address]).code(77).says("requires a ticket");
    let first = server.line();
    let ticket = first.rsplit(' ').next().unwrap().replace("HOST", "127.0.0.1");
    user.run(&["join", "bob", &ticket]).code(0);
    late.run(&["join", "carol", &ticket]).code(77).says("rejected the ticket");
    let data = home.data();
    let data = data.to_str().unwrap();
    let ticket = home.run(&["invite", &address, "--data", data]).ok();
    late.run(&["join", "carol", ticket.trim()]).code(0);
    let expired = home.run(&["invite", &address, "--data", data, "--expires", "1ms"]).ok();
    late.run(&["join", "dave", expired.trim()]).code(77);
}

#[test]
fn code_78_when_nobody_is_joined() {
    let home = Home::new();
    let server = home.serve(&[]);
    for args in [&["send", "bob", "hi"][..], &["listen"], &["join", "@ops"], &["leave", "@ops"]] {
        home.run(args).code(78).says("no id is joined").says("hint: claim one first: qmsg join");
    }
    home.join(&server, &["bob"]);
    home.run(&["send", "bob", "--as", "carol", "hi"]).code(78).says("carol is not joined");
    home.run(&["join", "bob", "-s", "127.0.0.1:9"]).code(78).says("is joined on");
    let key = home.path().join(".local/share/qmsg/profiles/bob/key.pem");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(&key, open).unwrap();
    home.run(&["send", "bob", "hi"]).code(78).says("chmod 600");
    home.run(&["serve", "--listen", "192.0.2.1:1", "--data", "d2"]).code(78).says("cannot listen");
    let data = home.data();
    let second = ["serve", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()];
    home.run(&second).code(78).says("store cannot be opened");
}

#[test]
fn code_124_when_the_time_is_up() {
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, &["bob"]);
    home.run(&["send", "bob", "one"]).ok();
    let said = home.run(&["listen", "-n", "2", "--timeout", "1s"]);
    said.code(124);
    assert_eq!(said.stdout, b"one\n");
    // Without a count, listening for the given time is success.
    home.run(&["listen", "--timeout", "100ms"]).code(0);
}

#[test]
fn codes_130_and_143_by_signal() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let home = Home::new();
        let server = home.serve(&[]);
        home.join(&server, &["bob"]);
        home.run(&["send", "bob", "x"]).ok();
        let mut listener = start(home.command(&["listen"]));
        listener.until(Stream::Out, "x");
        listener.signal(signal);
        let said = listener.end();
        said.code(code);
        assert_eq!(said.stdout, b"x\n");
        let (ended, text) = server.stop(signal);
        assert_eq!(ended, Some(code), "{text}");
    }
}

#[test]
fn a_broken_pipe_is_quiet() {
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, &["bob"]);
    // More than a pipe holds, so that something is written after `head` has exited.
    let lines: String = (0..40_000).map(|n| format!("{n}\n")).collect();
    home.pipe(lines.as_bytes(), &["send", "-l", "bob"]).ok();
    let said = home.shell("{ qmsg listen; echo $? >&2; } | head -n 1");
    assert_eq!((said.stdout.as_slice(), said.stderr.as_str()), (&b"0\n"[..], "0\n"));
}

/// A QUIC server that does not speak qmsg.
async fn stranger(alpn: &[u8], says: &'static [u8]) -> (quinn::Endpoint, String) {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let params = rcgen::CertificateParams::new(vec!["stranger".into()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap();
    tls.alpn_protocols = vec![alpn.to_vec()];
    let tls = quinn::crypto::rustls::QuicServerConfig::try_from(tls).unwrap();
    let config = quinn::ServerConfig::with_crypto(std::sync::Arc::new(tls));
    let endpoint = quinn::Endpoint::server(config, "127.0.0.1:0".parse().unwrap()).unwrap();
    let address = endpoint.local_addr().unwrap().to_string();
    let accepting = endpoint.clone();
    tokio::spawn(async move {
        while let Some(incoming) = accepting.accept().await {
            let Ok(connection) = incoming.await else { continue };
            let (mut send, _recv) = connection.open_bi().await.unwrap();
            send.write_all(says).await.unwrap();
            connection.closed().await;
        }
    });
    (endpoint, address)
}

#[test]
fn code_76_when_the_other_side_speaks_something_else() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let home = Home::new();
    let (_other, address) = runtime.block_on(stranger(b"qmsg/999", b""));
    let said = home.run(&["join", "bob", "-s", &address]);
    said.code(76).says("speaks an incompatible protocol version").says("qmsg --version");
    let (_garbage, address) =
        runtime.block_on(stranger(b"qmsg/1", b"\xff\xff\xff\xffHTTP/1.1 200"));
    let said = home.run(&["join", "bob", "-s", &address]);
    said.code(76).says("hint: ");
}

/// A disk that is really full; `--max-store` is tested above.
#[test]
fn code_73_on_a_small_tmpfs() {
    needs!("namespaces");
    let home = Home::new();
    let data = home.data();
    std::fs::create_dir(&data).unwrap();
    let line = format!(
        "mount -t tmpfs -o size=3m,mode=700 tmpfs {0} && \
         exec qmsg serve --listen 127.0.0.1:0 --data {0}",
        data.display()
    );
    let server = Server::start(home.program("unshare", &["-rm", "/bin/sh", "-c", &line]));
    home.join(&server, &["bob", "carol"]);
    let mut listener = home.listen(&["--as", "carol"]);
    let body = vec![b'x'; 200_000];
    let codes = (0..40).map(|_| home.pipe(&body, &["send", "bob"]).code);
    let stored = codes.take_while(|code| *code == Some(0)).count();
    assert!((1..40).contains(&stored), "{stored} were stored");
    home.pipe(&body, &["send", "bob"]).code(73).says("is full").says("tell its operator");
    assert!(listener.is_running(), "those who listen notice nothing");
    let read = home.run(&["listen", "--as", "bob", "--raw", "-n", &stored.to_string()]);
    assert_eq!(read.stdout.len(), stored * body.len(), "what was accepted is there");
}
