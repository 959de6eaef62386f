//! Admission of clients.

use qmsg::durable::Quotas;
use qmsg::logic::Limits;
use qmsg::wire::{CloseCode, Features, FromClient, FromServer, JoinCode, RoomName};

use super::server::{Said, Server};
use super::{
    CAUGHT_UP, accepted, attach, claim, closed, hello, key, processed, send, seqs, server, user,
    welcome,
};

const CODE: JoinCode = JoinCode([7; 16]);

fn with_code(name: &str, code: JoinCode) -> FromClient {
    FromClient::Hello {
        id: user(name),
        claim: true,
        code: Some(code),
        session: None,
        features: Features::KNOWN,
    }
}

/// Answers of a server, whose only user is alice, to the first frame of a client with this key.
fn answer(mut server: Server, from: &str, first: FromClient) -> Vec<Said> {
    let link = server.open(key(from));
    server.say(link, first);
    server.heard(link)
}

fn with_alice() -> Server {
    let mut server = server();
    server.link("alice");
    server
}

fn that_needs_a_ticket() -> Server {
    let limits = Limits { code_needed: true, ..Limits::default() };
    let mut server = Server::new(limits, Quotas::default());
    server.store.codes.push(CODE);
    server
}

#[test]
fn an_id_is_its_owners_alone() {
    assert_eq!(answer(server(), "alice", claim("alice")), [welcome("alice", true)]);
    assert_eq!(answer(with_alice(), "alice", claim("alice")), [welcome("alice", false)]);
    assert_eq!(answer(with_alice(), "alice", hello("alice")), [welcome("alice", false)]);
    assert_eq!(answer(with_alice(), "mallory", claim("alice")), [closed(CloseCode::IdTaken)]);
    assert_eq!(answer(with_alice(), "mallory", hello("alice")), [closed(CloseCode::IdTaken)]);
    assert_eq!(answer(with_alice(), "bob", hello("bob")), [closed(CloseCode::NotJoined)]);
}

#[test]
fn an_id_that_reads_like_everyone_is_nobodys() {
    for id in ["all", "everyone"] {
        assert_eq!(answer(server(), id, claim(id)), [closed(CloseCode::IdReserved)], "{id}");
        let with_ticket = answer(that_needs_a_ticket(), id, with_code(id, CODE));
        assert_eq!(with_ticket, [closed(CloseCode::IdReserved)], "{id}");
        assert_eq!(answer(server(), id, hello(id)), [closed(CloseCode::NotJoined)], "{id}");
    }
    for id in ["all-hands", "alle", "root"] {
        assert_eq!(answer(server(), id, claim(id)), [welcome(id, true)], "{id}");
    }
}

#[test]
fn a_claim_needs_a_ticket_where_tickets_are_asked_for() {
    let needed = answer(that_needs_a_ticket(), "alice", claim("alice"));
    assert_eq!(needed, [closed(CloseCode::TicketNeeded)]);
    let bad = answer(that_needs_a_ticket(), "alice", with_code("alice", JoinCode([8; 16])));
    assert_eq!(bad, [closed(CloseCode::TicketBad)]);

    let mut server = that_needs_a_ticket();
    let alice = server.open(key("alice"));
    server.say(alice, with_code("alice", CODE));
    assert_eq!(server.heard(alice), [welcome("alice", true)]);
    let bob = server.open(key("bob"));
    server.say(bob, with_code("bob", CODE));
    assert_eq!(server.heard(bob), [closed(CloseCode::TicketBad)], "spent");
    assert_eq!(answer(server, "alice", claim("alice")), [welcome("alice", false)]);
}

#[test]
fn a_claim_is_turned_down_where_there_is_no_room() {
    let quotas = Quotas { users_max: 0, ..Quotas::default() };
    let busy = answer(Server::new(Limits::default(), quotas), "alice", claim("alice"));
    assert_eq!(busy, [closed(CloseCode::Busy)]);
    let mut full = with_alice();
    full.store.disk_full = true;
    assert_eq!(answer(full, "bob", claim("bob")), [closed(CloseCode::DiskFull)]);
}

#[test]
fn links_have_a_limit() {
    let limits = Limits { links_max: 1, ..Limits::default() };
    let mut server = Server::new(limits, Quotas::default());
    let first = server.open(key("alice"));
    let second = server.open(key("bob"));
    assert_eq!(server.heard(second), [closed(CloseCode::Busy)]);
    server.lose(first);
    server.link("bob");
}

#[test]
fn what_is_said_before_the_welcome_is_done_after_it() {
    let mut server = with_alice();
    let bob = server.open(key("bob"));
    server.say(bob, claim("bob"));
    server.say(bob, attach(10, 1_000));
    server.say(bob, send(1, "bob", 3));
    assert_eq!(server.batch.len(), 1, "only the claim is asked for");
    let said = server.heard(bob);
    assert_eq!(said[0], welcome("bob", true));
    assert!(said.contains(&accepted(1)) && said.contains(&CAUGHT_UP), "{said:?}");
    assert_eq!(seqs(&said), [1]);
}

#[test]
fn what_is_said_before_a_refusal_is_not_done() {
    let mut server = with_alice();
    let link = server.open(key("mallory"));
    server.say(link, hello("alice"));
    server.say(link, send(1, "alice", 3));
    assert_eq!(server.heard(link), [closed(CloseCode::IdTaken)]);
    assert_eq!(server.store.owed().count(), 0);
}

#[test]
fn hello_is_first_and_once() {
    let room: RoomName = "ops".parse().unwrap();
    let others = [send(1, "alice", 1), attach(1, 1), processed([1]), FromClient::JoinRoom(room)];
    for first in others {
        assert_eq!(answer(server(), "alice", first), [closed(CloseCode::OutOfTurn)]);
    }
    let mut server = server();
    let link = server.link("alice");
    server.say(link, hello("alice"));
    assert_eq!(server.heard(link), [closed(CloseCode::OutOfTurn)]);
    let link = server.open(key("alice"));
    server.say(link, hello("alice"));
    server.say(link, hello("alice"));
    assert!(server.heard(link).contains(&closed(CloseCode::OutOfTurn)));
}

#[test]
fn silence_has_an_end() {
    let limits = Limits { hello_ms_max: 700, ..Limits::default() };
    let mut server = Server::new(limits, Quotas::default());
    server.pass(0);
    server.work();
    let silent = server.open(key("alice"));
    let prompt = server.open(key("bob"));
    assert_eq!(server.deadline(), Some(server.now.mono_ms + 700));
    server.say(prompt, claim("bob"));
    server.pass(699);
    assert_eq!(server.heard_so_far(silent), []);
    server.pass(1);
    assert_eq!(server.heard_so_far(silent), [closed(CloseCode::TooSlow)]);
    server.pass(10_000);
    assert_eq!(server.heard(prompt), [welcome("bob", true)]);
}

#[test]
fn a_link_that_goes_while_its_id_is_looked_up_is_forgotten() {
    let mut server = with_alice();
    let link = server.open(key("alice"));
    server.say(link, hello("alice"));
    server.say(link, attach(1, 1));
    server.lose(link);
    assert_eq!(server.heard(link), []);
    assert!(matches!(server.greeting(), FromServer::Hello { .. }));
}

#[test]
fn nothing_that_makes_no_sense_before_the_welcome_is_held_until_then() {
    for frame in [processed([1; 4_096]), hello("alice")] {
        let mut server = with_alice();
        let link = server.open(key("alice"));
        server.say(link, hello("alice"));
        server.say(link, frame);
        assert_eq!(server.heard_so_far(link), [closed(CloseCode::OutOfTurn)]);
    }
}
