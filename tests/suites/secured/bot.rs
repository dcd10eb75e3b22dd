//! A bot that speaks NATS, as the user that `dunlin nats-conf` writes for it: it hears and answers, and may do nothing else.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use dunlin_nats::permissions::{Permissions, Role, bot_user};
use dunlin_schema::UserName;
use dunlin_tests::{
    device::text,
    process::{Processes, Sections, dunlin},
    wait::until,
};
use serde_json::json;

use super::written::{hub_with, section};

/// Ends with its test.
struct Bot(Child);

impl Bot {
    fn start(nats: &str, gateway: &str, token: &str) -> Bot {
        let mut command = Command::new(dunlin().with_file_name("echo-bot-under-test"));
        command.args(["echo", nats, gateway]).env("NATS_BOT_ECHO_PASSWORD", "of the bot").env("DUNLIN_TOKEN", token);
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the bot");
        let mut said = BufReader::new(child.stderr.take().expect("what it says")).lines();
        assert_eq!(said.next().map(|line| line.expect("text")).as_deref(), Some("echo listens"));
        std::thread::spawn(move || said.map_while(Result::ok).for_each(|line| eprintln!("the bot: {line}")));
        Bot(child)
    }
}

impl Drop for Bot {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bot_answers_and_may_do_nothing_else() {
    let hub = hub_with(&["--bot", "echo"], &[("NATS_BOT_ECHO_PASSWORD", "\"of the bot\"")]).await;
    let sections = Sections {
        gateway: section(&hub.url(), "gateway", Role::Gateway),
        worker: section(&hub.url(), "worker", Role::Worker),
    };
    let region = Processes::start_at(hub, sections, 1).await;
    let gateway = format!("http://{}", region.gateways()[0]);
    let bot = Bot::start(&region.nats.url(), &gateway, &region.service_token("echo"));
    let mut alice = region.caught_up(0, "alice", "phone").await;
    for words in ["hello", "are you there?"] {
        // The answer may come before `accepted`.
        alice.send("echo", words).await;
        let answer = alice.expect("entry").await;
        assert_eq!((answer["from"].as_str(), text(&answer)), (Some("echo"), words), "{answer}");
    }
    // It is there as long as it runs.
    let state = async |device: &mut dunlin_tests::device::Device| {
        device.say(json!({ "ask": { "ref": 7, "what": { "presence": { "users": ["echo"] } } } })).await;
        device.expect("answer").await["what"]["presence"]["users"]["echo"]["state"].clone()
    };
    assert_eq!(state(&mut alice).await, "online");
    drop(bot);
    let alice = tokio::sync::Mutex::new(alice);
    until("the bot to be gone", async || (state(&mut *alice.lock().await).await == "offline").then_some(())).await;
    let violations = || region.nats.log().matches("Violation").count();
    assert_eq!(violations(), 0, "{}", region.nats.log());

    let name: UserName = "echo".parse().expect("a name");
    let options = async_nats::ConnectOptions::with_user_and_password(bot_user(&name), "of the bot".into())
        .custom_inbox_prefix(Permissions::bot_inbox(&name));
    let stranger = options.connect(region.nats.url()).await.expect("a connection");
    let publishes = [
        "log.local.0.user.bob",
        "user.bob",
        "user.echo",
        "state.local.0.reader.deliver",
        "_INBOX.gw.x",
        "$JS.API.STREAM.INFO.LOG_local_0",
        "$JS.API.DIRECT.GET.LOG_local_0",
        "$JS.API.STREAM.PURGE.LOG_local_0",
    ];
    let subscribes = ["user.bob", "user.*", "user.>", "log.>", "_INBOX.gw.>", ">"];
    for subject in publishes {
        stranger.publish(subject, "".into()).await.expect("written");
    }
    let mut subscriptions = vec![];
    for subject in subscribes {
        subscriptions.push(stranger.subscribe(subject).await.expect("written"));
    }
    stranger.flush().await.expect("the server has them");
    let refusals = publishes.len() + subscribes.len();
    until("each to be refused", async || (violations() == refusals).then_some(())).await;
}
