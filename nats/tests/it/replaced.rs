//! Files of the settings that are replaced while connections stand.

use std::{collections::BTreeMap, fs};

use dunlin_nats::{ConnectOptions, Connection, Credentials, FanIn, Item, Records, Status};
use dunlin_schema::{Seq, Shard, subject};
use nkeys::KeyPair;

use crate::support::{Server, first, id, now, region, repeat, settings, soon};

/// The connections of Dunlin that stand, each with what the server says of it.
async fn standing(server: &Server) -> BTreeMap<u64, String> {
    let answer = server.monitor("/connz?auth=1").await;
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    let connections: serde_json::Value = serde_json::from_str(body).unwrap();
    let dunlins = |said: &&serde_json::Value| said["name"].as_str().is_some_and(|name| name.starts_with("dunlin"));
    let connections = connections["connections"].as_array().unwrap();
    connections.iter().filter(dunlins).map(|said| (said["cid"].as_u64().unwrap(), said.to_string())).collect()
}

#[tokio::test]
async fn a_replaced_seed_is_what_every_connection_shows_soon_and_no_append_is_lost() {
    let (old, new) = (KeyPair::new_user(), KeyPair::new_user());
    let users = format!("{{ nkey: {} }}, {{ nkey: {} }}", old.public_key(), new.public_key());
    let server = Server::start_with(&format!("http: \"127.0.0.1:-1\"\nauthorization {{ users: [ {users} ] }}"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("seed");
    fs::write(&file, old.seed().unwrap()).unwrap();
    let options = ConnectOptions { credentials: Some(Credentials::NkeySeedFile(file.clone())), ..server.options() };
    let connection = Connection::open(&options, &region()).await.unwrap();
    dunlin_nats::provision(&connection, &settings()).await.unwrap();
    let appender = dunlin_nats::Appender::open(&options, &settings()).await.unwrap();
    let (fan_in, reader) = FanIn::open(&options, &region()).await.unwrap();
    tokio::spawn(reader.run(|| ()));
    let before = standing(&server).await;
    assert_eq!(before.len(), 4, "one for all else, one for live entries, one for appends and one for their reads");
    assert!(before.values().all(|said| said.contains(&old.public_key())), "{before:?}");

    // Somebody appends all the while, and repeats what is unknown, as every client does.
    let appends = tokio::spawn(async move {
        let mut stored = Vec::new();
        loop {
            let id = id(now());
            let mut item: Item = first(id, "one");
            let sequence = loop {
                match appender.append(item).await {
                    Ok(stored) => break stored.seq,
                    Err(dunlin_nats::AppendError::Unknown) => item = repeat(id, "one"),
                    Err(other) => panic!("{other}"),
                }
            };
            stored.push(sequence);
            if stored.len() % 64 == 0 && fs::exists(folder.path().join("enough")).unwrap() {
                return (stored, folder);
            }
        }
    });

    fs::write(&file, new.seed().unwrap()).unwrap();
    let all_new = async {
        loop {
            let now = standing(&server).await;
            if now.len() == 4 && now.values().all(|said| said.contains(&new.public_key())) {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    soon("every connection to show the new seed", all_new).await;
    fs::write(file.with_file_name("enough"), "").unwrap();
    let (stored, _folder) = soon("the appends", appends).await.unwrap();
    let expected: Vec<_> = (1..=stored.len() as u64).map(Seq).collect();
    assert_eq!(stored, expected, "each is stored once, in turn");

    let mut status = fan_in.status();
    soon("live entries", status.wait_for(|status| *status == Status::Connected)).await.unwrap();
    let record = subject::reader_record(&region(), Shard(0), "deliver");
    soon("the other connection", async {
        while Records::new(&connection).save(&record, &b"one"[..], Seq(0)).await.is_err() {}
    })
    .await;
}
