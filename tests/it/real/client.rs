//! The library's client against a real server: the examples of its documentation, and what they
//! promise.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use qmsg::Client;
use qmsg::client::{Acceptance, ClientSettings, IncomingMessage, RequestError};
use qmsg::logic::{Draft, Prefetch};
use qmsg::quic::Identity;
use qmsg::wire::{Body, DeliveryState, Note, ParkedKind, Refusal};

use super::kit::{DEADLINE, Home, Server, noise};

/// A server on which these ids have joined, and the settings of each.
fn setup<const N: usize>(ids: [&str; N]) -> (Home, Server, [ClientSettings; N]) {
    let home = Home::new();
    let server = home.serve(&["--max-body", "8M"]);
    home.join(&server, &ids);
    let settings = ids.map(|id| settings(&home, &server, id));
    (home, server, settings)
}

fn settings(home: &Home, server: &Server, id: &str) -> ClientSettings {
    let key = home.path().join(format!(".local/share/qmsg/profiles/{id}/key.pem"));
    settings_with(server, id, Identity::load(&key).unwrap())
}

fn settings_with(server: &Server, id: &str, identity: Identity) -> ClientSettings {
    let (host, port) = server.address.rsplit_once(':').unwrap();
    let pin = server.pin.parse().unwrap();
    ClientSettings::new(host, port.parse().unwrap(), pin, id.parse().unwrap(), identity)
        .patience(DEADLINE)
}

fn run(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(DEADLINE, work).await.unwrap() });
}

fn subscribed(settings: ClientSettings) -> ClientSettings {
    settings.subscribe(Prefetch { messages: 100, bytes: 1 << 20, ..Prefetch::DEFAULT })
}

fn note(text: &'static str) -> Note {
    Note::new(Body(text.into())).unwrap()
}

fn draft(client: &mut Client, to: &str, body: &'static str) -> Draft {
    client.draft(to.parse().unwrap(), body)
}

async fn body(client: &mut Client, incoming: &IncomingMessage) -> Vec<u8> {
    let mut body = Vec::new();
    client.read_body(incoming, &mut body).await.unwrap();
    body
}

#[test]
fn a_message_is_sent_delivered_and_acked() {
    let (_home, _server, [alice, bob]) = setup(["alice", "bob"]);
    run(async {
        let mut alice = Client::connect(alice).await.unwrap();
        let mut reader = Client::connect(subscribed(bob.clone())).await.unwrap();
        let hello = draft(&mut alice, "bob", "hello");
        let stored = |duplicate| Acceptance::Stored { duplicate };
        assert_eq!(alice.send(hello.clone()).await.unwrap(), stored(false));
        assert_eq!(alice.send(hello).await.unwrap(), stored(true));
        let incoming = reader.delivery().await.unwrap();
        assert_eq!(body(&mut reader, &incoming).await, b"hello");
        reader.ack(&incoming).await;
        reader.close().await.unwrap();

        // What was acked does not come again; what was not read by a client that is dropped does.
        for text in ["second", "third"] {
            let next = draft(&mut alice, "bob", text);
            alice.send(next).await.unwrap();
            for _ in 0..2 {
                let mut reader = Client::connect(subscribed(bob.clone())).await.unwrap();
                let incoming = reader.delivery().await.unwrap();
                assert_eq!(incoming.message.body.0, text);
            }
            let mut reader = Client::connect(subscribed(bob.clone())).await.unwrap();
            let incoming = reader.delivery().await.unwrap();
            reader.ack(&incoming).await;
            reader.close().await.unwrap();
        }

        let mut whisper = draft(&mut alice, "bob", "psst");
        whisper.volatile = true;
        assert_eq!(alice.send(whisper).await.unwrap(), Acceptance::Volatile { readers: 0 });
        let nobody = draft(&mut alice, "nobody", "x");
        let refused = alice.send(nobody).await.unwrap_err();
        assert!(matches!(refused, RequestError::Refused(Refusal::UnknownTarget)), "{refused:?}");
        alice.close().await.unwrap();
    });
}

#[test]
fn a_long_body_goes_in_chunks() {
    let (_home, _server, [alice, bob]) = setup(["alice", "bob"]);
    run(async {
        let mut alice = Client::connect(alice).await.unwrap();
        let mut bob = Client::connect(subscribed(bob)).await.unwrap();
        let long = Arc::new(noise(3 << 20));
        let source = Arc::clone(&long);
        let read = move |at: u64, chunk: &mut [u8]| {
            chunk.copy_from_slice(&source[at as usize..][..chunk.len()]);
            Ok(())
        };
        let (first, broken) = (draft(&mut alice, "bob", ""), draft(&mut alice, "bob", ""));
        // Both at one time on one thread: the server has no room for all of the body.
        let sending = alice.send_in_chunks(first, long.len() as u64, read);
        let receiving = async {
            let incoming = bob.delivery().await.unwrap();
            assert_eq!(incoming.message.size, long.len() as u64);
            assert!(body(&mut bob, &incoming).await == *long);
            bob.ack(&incoming).await;
        };
        let (sent, ()) = tokio::join!(sending, receiving);
        sent.unwrap();

        let calls = Mutex::new(0);
        let breaks = move |_, _: &mut [u8]| {
            let mut calls = calls.lock().unwrap();
            *calls += 1;
            if *calls > 3 { Err(std::io::Error::other("torn")) } else { Ok(()) }
        };
        let unsent = alice.send_in_chunks(broken, 1 << 20, breaks).await.unwrap_err();
        assert!(matches!(unsent, RequestError::Unreadable(_)), "{unsent:?}");
        // Nothing is left in the way.
        let after = draft(&mut alice, "bob", "after");
        alice.send(after).await.unwrap();
        let incoming = bob.delivery().await.unwrap();
        assert_eq!(incoming.message.body.0, "after");
        bob.close().await.unwrap();
        alice.close().await.unwrap();
    });
}

#[test]
fn who_asks_hears_the_verdict() {
    let (_home, _server, [alice, clock]) = setup(["alice", "clock"]);
    run(async {
        let mut alice = Client::connect(alice).await.unwrap();
        let mut clock = Client::connect(subscribed(clock)).await.unwrap();
        let question = draft(&mut alice, "clock", "what time is it?");
        let answering = async {
            let incoming = clock.delivery().await.unwrap();
            clock.reply(&incoming, note("noon")).await;
        };
        let (reply, ()) = tokio::join!(alice.ask(question), answering);
        assert_eq!(reply.unwrap(), note("noon"));

        // A question that nobody waits for any more leaves nothing behind.
        let question = draft(&mut alice, "clock", "still there?");
        let impatient = tokio::time::timeout(Duration::from_millis(50), alice.ask(question)).await;
        assert!(impatient.is_err());
        let question = draft(&mut alice, "clock", "sing!");
        let answering = async {
            let unanswered = clock.delivery().await.unwrap();
            clock.ack(&unanswered).await;
            let incoming = clock.delivery().await.unwrap();
            clock.reject(&incoming, 1, note("no voice")).await;
        };
        let (rejected, ()) = tokio::join!(alice.ask(question), answering);
        let rejected = rejected.unwrap_err();
        assert!(
            matches!(&rejected, RequestError::MessageRejected(why) if *why == note("no voice")),
            "{rejected:?}"
        );
        let dead = clock.list_parked(ParkedKind::DeadLetters).await.unwrap();
        assert_eq!(dead.iter().map(|it| &it.reason).collect::<Vec<_>>(), [&note("no voice")]);
        let id = Some(dead[0].message.id);
        assert_eq!(clock.take_parked(ParkedKind::DeadLetters, id, false).await.unwrap(), 1);
        assert_eq!(clock.take_parked(ParkedKind::DeadLetters, id, false).await.unwrap(), 0);
        assert!(clock.list_parked(ParkedKind::DeadLetters).await.unwrap().is_empty());
        clock.close().await.unwrap();
        alice.close().await.unwrap();
    });
}

#[test]
fn members_of_a_room_are_tracked() {
    let (_home, _server, [alice, as_bob]) = setup(["alice", "bob"]);
    run(async {
        let mut alice = Client::connect(alice).await.unwrap();
        let mut bob = Client::connect(subscribed(as_bob.clone())).await.unwrap();
        let room = || "ops".parse().unwrap();
        assert!(bob.join_room(room()).await.unwrap());
        assert!(!bob.join_room(room()).await.unwrap());
        let full = draft(&mut alice, "@ops", "disk full");
        let (id, to) = (full.id, full.to.clone());
        alice.send(full).await.unwrap();
        alice.track(id, to).await;
        let incoming = bob.delivery().await.unwrap();
        bob.release(&incoming).await;
        bob.close().await.unwrap();
        let mut bob = Client::connect(subscribed(as_bob)).await.unwrap();
        let incoming = bob.delivery().await.unwrap();
        bob.ack(&incoming).await;
        loop {
            let news = alice.tracked().await.unwrap();
            assert_eq!(news.id, id);
            let recipients = news.recipients.unwrap();
            if recipients.iter().any(|it| it.state == DeliveryState::Processed) {
                assert_eq!(recipients[0].user.as_str(), "bob");
                break;
            }
        }
        alice.untrack(id).await;
        assert!(bob.leave_room(room()).await.unwrap());
        assert!(!bob.leave_room(room()).await.unwrap());
        let unknown = bob.leave_room("nowhere".parse().unwrap()).await.unwrap_err();
        assert!(matches!(unknown, RequestError::NoSuchRoom(_)), "{unknown:?}");
        alice.close().await.unwrap();
        bob.close().await.unwrap();
    });
}

#[test]
fn errors_tell_who_is_to_blame() {
    let (_home, server, [alice]) = setup(["alice"]);
    let denied = settings_with(&server, "alice", Identity::generate().unwrap());
    run(async {
        let error = Client::connect(denied).await.err().unwrap();
        assert!(error.is_denied() && !error.is_unreachable(), "{error:?}");

        let mut client = Client::connect(alice.clone()).await.unwrap();
        drop(server);
        let lost = alice.patience(Duration::from_millis(200));
        let error = Client::connect(lost).await.err().unwrap();
        assert!(error.is_unreachable() && !error.is_denied(), "{error:?}");
        // A client that waits goes on waiting, until it is dropped.
        let hello = draft(&mut client, "alice", "hello");
        let waited = tokio::time::timeout(Duration::from_millis(200), client.send(hello)).await;
        assert!(waited.is_err());
    });
}
