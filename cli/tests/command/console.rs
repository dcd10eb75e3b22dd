//! The page of `dunlin dev`, and who may have what of it.

use super::{
    dev::{Answer, ask},
    *,
};

#[test]
fn the_page_is_for_this_machine_and_its_powers_for_the_page() {
    let temporary = TempDir::new().unwrap();
    let dev = Dev::start(temporary.path());
    let page = |request: &str, headers: &[&str]| ask(&dev.page, request, headers);
    serves_the_page_and_the_library(&dev);
    tokens_are_for_this_machine(&dev);

    // What others may try to make a browser of this machine do.
    let (port, worker) = (dev.page.rsplit(':').next().unwrap(), dev.pid("worker"));
    let attackers = format!("Host: attacker.example:{port}");
    let hosts = [attackers.as_str(), "Host: 127.0.0.1", "Host: 127.0.0.1:1", "Host: [::ffff:127.0.0.1]"];
    for path in ["/", "/dunlin.js", "/dev/token?user=alice", "/dev/parts", "/nothing"] {
        for host in hosts {
            is_refused(&page(&format!("GET {path}"), &[host]), 403, &format!("{path}, {host}"));
        }
    }
    let form = "Content-Type: application/x-www-form-urlencoded";
    let [own, elsewhere] = [&dev.page, &dev.url].map(|origin| format!("Origin: {origin}"));
    let rebound = format!("Origin: http://attacker.example:{port}");
    for headers in [
        &[][..],
        &[form],
        &[form, "Origin: https://attacker.example"],
        &["Origin: https://attacker.example", "X-Requested-With: me"],
        &["Origin: null", "X-Requested-With: me"],
        &[elsewhere.as_str(), "X-Requested-With: me"],
        &[attackers.as_str(), "Origin: https://attacker.example"],
        &[attackers.as_str(), rebound.as_str()],
    ] {
        is_refused(&page("POST /dev/kill/worker", headers), 403, &format!("{headers:?}"));
    }
    is_refused(&page("GET /dev/kill/worker", &[&own]), 405, "a link");
    is_refused(&page("POST /dev/kill/everything", &[&own]), 404, "no part");
    assert_eq!(dev.pid("worker"), worker, "nobody has killed it");
    let killed = page("POST /dev/kill/worker", &[&own]);
    assert_eq!((killed.status, killed.body), (200, format!(r#"{{"killed":"worker","pid":{worker}}}"#)));
    until("its end", || !is_alive(worker));

    // Nothing of it is anywhere else.
    for request in ["GET /dev/token?user=alice", "GET /dev/parts", "POST /dev/kill/worker", "GET /index.html"] {
        is_refused(&ask(&dev.url, request, &["X-Requested-With: me"]), 404, request);
    }
}

#[track_caller]
fn is_refused(answer: &Answer, status: u16, what: &str) {
    assert_eq!(answer.status, status, "{what}: {}", answer.body);
    assert!(!answer.head.contains("access-control-allow-origin"), "{what}: {}", answer.head);
    // Axum says which methods an address has.
    let is_problem = status == 405 || answer.head.contains("application/problem+json");
    assert!(is_problem && !answer.body.contains("eyJ"), "{what}: {}", answer.body);
}

fn serves_the_page_and_the_library(dev: &Dev) {
    let answer = ask(&dev.page, "GET /", &[]);
    assert_eq!(answer.status, 200);
    let gateway = dev.url.strip_prefix("http://").unwrap();
    let policy = format!(
        "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob: \
         http://{gateway}; connect-src 'self' http://{gateway} ws://{gateway}; base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
    );
    let said =
        ["content-type: text/html; charset=utf-8", "x-content-type-options: nosniff", "referrer-policy: no-referrer"];
    for header in [&[policy.as_str()][..], &said].concat() {
        assert!(answer.head.lines().any(|line| line == header), "{header} is not in {}", answer.head);
    }
    let library = ask(&dev.page, "GET /dunlin.js", &[]);
    assert_eq!((library.status, &library.body), (200, &ask(&dev.url, "GET /dunlin.js", &[]).body));
    assert!(library.head.contains("content-security-policy"), "{}", library.head);
    for path in ["/nothing.js", "/../Cargo.toml", "/..%2fCargo.toml", "/dunlin/../package.json"] {
        is_refused(&ask(&dev.page, &format!("GET {path}"), &[]), 404, path);
    }
    let sent = ask(&dev.url, "GET /", &["Accept: text/html,application/xhtml+xml;q=0.9"]);
    assert!(sent.status == 303 && sent.head.contains(&format!("location: {}", dev.page)), "{}", sent.head);
    let told = ask(&dev.url, "GET /", &["Accept: */*"]);
    assert!(told.status == 200 && told.body.starts_with("This is a gateway of Dunlin"), "{}", told.body);
}

fn tokens_are_for_this_machine(dev: &Dev) {
    let page = |request: &str, headers: &[&str]| ask(&dev.page, request, headers);
    for (query, wrong) in [
        ("", "user"),
        ("?user=", "`user`"),
        ("?user=a%20b", "`user`"),
        ("?user=alice&device=a.b", "`device`"),
        ("?user=alice&ttl=0", "`ttl`"),
        ("?user=alice&ttl=soon", "`ttl`"),
        ("?user=alice&ttl=5m", "`ttl`"),
    ] {
        let answer = page(&format!("GET /dev/token{query}"), &[]);
        is_refused(&answer, 422, query);
        assert!(answer.body.contains(wrong), "{query}: {}", answer.body);
    }
    for origin in ["null", "https://attacker.example", "http://localhost.attacker.example", ""] {
        is_refused(&page("GET /dev/token?user=alice", &[&format!("Origin: {origin}")]), 403, origin);
    }
    // A page of one's own, on another port of this machine.
    let origin = "http://localhost:3000";
    let answer = page("GET /dev/token?user=alice&device=phone&ttl=60", &[&format!("Origin: {origin}")]);
    assert_eq!(answer.status, 200, "{}", answer.body);
    for header in [
        &format!("access-control-allow-origin: {origin}"),
        "vary: origin",
        "content-type: text/plain; charset=utf-8",
        "cache-control: no-store",
    ] {
        assert!(answer.head.lines().any(|line| line == header), "{header} is not in {}", answer.head);
    }
    let of_a_phone = send(dev, &answer.body);
    assert!(stderr(&of_a_phone).contains("for the device phone and no other"), "{}", stderr(&of_a_phone));
    let token = page("GET /dev/token?user=alice&scope=admin", &[]).body;
    let sent = send(dev, &token);
    assert!(sent.status.success(), "{}", stderr(&sent));
    let revoked = output(&mut dunlin(&["revoke", "--user", "bob", "--token", &token, "--url", &dev.url]));
    assert!(stderr(&revoked).contains("forbidden"), "a token of the page has no scope: {}", stderr(&revoked));
}

fn send(dev: &Dev, token: &str) -> Output {
    output(&mut dunlin(&["send", "--token", token, "--url", &dev.url, "bob", "hi"]))
}

#[test]
fn where_the_page_can_not_be_is_said() {
    let folder = TempDir::new().unwrap();
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    let dev = |options: &[&str]| beside(folder.path(), &[&["dev", "--listen", "127.0.0.1:0"], options].concat());
    let said = dev(&["--page", &taken]);
    let words =
        format!("listening on {taken} for the page: choose another address with --page, or have none with --no-page");
    assert!(said.status.code() == Some(1) && stderr(&said).contains(&words), "{}", stderr(&said));
    for (options, word) in [
        (&["--page", "0.0.0.0:8090"][..], "loopback"),
        (&["--page", "192.168.0.7:8090"], "loopback"),
        (&["--page", "gateway.example:8090"], "`127.0.0.1:8080`"),
        (&["--page", "127.0.0.1:0", "--no-page"], "--no-page"),
        (&["--gateways", "0"], "1..=8"),
        (&["--gateways", "9"], "1..=8"),
    ] {
        let said = dev(options);
        assert!(said.status.code() == Some(2) && stderr(&said).contains(word), "{options:?}: {}", stderr(&said));
    }
}
