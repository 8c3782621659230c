//! A gateway in a pod: fetched from the bot, ruled by a mounted Secret, ended by a release that cannot serve.

use crate::house::{House, KEY, Release, eventually};
use bowsprit_core::name::Digest;
use bowsprit_core::serving::rollout::{UNFETCHED, UNFIT};
use bowsprit_core::serving::spec::{DoorSpec, InImage, RolloutPhase, ServeSpec};
use hyper::Method;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

const TOKEN: &str = "token-of-the-tests";

/// Stands in for the bot: gives what lies on its shelf to whoever has the token.
struct Bot {
    url: String,
    shelf: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    given: Arc<AtomicUsize>,
}

impl Bot {
    fn new(order: &ServeSpec) -> Bot {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!(
            "http://{}/agent/releases/7/staging/r",
            listener.local_addr().unwrap()
        );
        let mut shelf = BTreeMap::from([("/order".to_owned(), serde_json::to_vec(order).unwrap())]);
        let server = order.server.as_ref().unwrap();
        let models = server.models.iter().flat_map(|model| &model.sources);
        for source in models.chain([&server.snapshot]) {
            let bytes = std::fs::read(&source.uri).unwrap();
            shelf.insert(format!("/files/{}", source.sha256.hex()), bytes);
        }
        let bot = Bot {
            url,
            shelf: Arc::new(Mutex::new(shelf)),
            given: Arc::default(),
        };
        let (shelf, given) = (Arc::clone(&bot.shelf), Arc::clone(&bot.given));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                attend(&stream.unwrap(), &shelf.lock().unwrap(), &given);
            }
        });
        bot
    }
}

fn attend(stream: &TcpStream, shelf: &BTreeMap<String, Vec<u8>>, given: &AtomicUsize) {
    let head: Vec<String> = BufReader::new(stream)
        .lines()
        .map(Result::unwrap)
        .take_while(|line| !line.is_empty())
        .collect();
    let path = head[0].split(' ').nth(1).unwrap();
    let path = path.strip_prefix("/agent/releases/7/staging/r").unwrap();
    let bearer = format!("authorization: Bearer {TOKEN}");
    let is_known = head.iter().any(|line| line.eq_ignore_ascii_case(&bearer));
    let (status, body) = match shelf.get(path).filter(|_| is_known) {
        Some(bytes) => ("200 OK", bytes.clone()),
        None => ("404 Not Found", Vec::new()),
    };
    given.fetch_add(1, Ordering::Relaxed);
    let mut stream = stream;
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    stream.write_all(&body).unwrap();
}

fn mount(house: &House, door: &DoorSpec) {
    std::fs::create_dir_all(house.path("secrets")).unwrap();
    house.write("secrets/token", TOKEN);
    house.write("secrets/door.json", &serde_json::to_string(door).unwrap());
}

fn start(house: &mut House, bot: &Bot) {
    let mut command = house.command();
    let secrets = house.path("secrets");
    let listen = "127.0.0.1:0";
    command
        .args(["--order", &bot.url, "--listen", listen, "--secrets"])
        .arg(secrets);
    house.start_as(command);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_fetches_its_release_and_is_ready_once_it_is_verified() {
    let mut house = House::empty();
    let mut order = house.order(1, &Release::good("r1", 10));
    let bot = Bot::new(&order);
    mount(&house, &order.door);
    // The rules are those of the Secret; the order's own say nothing.
    order.door.keys.clear();
    start(&mut house, &bot);
    house.settled(1, RolloutPhase::Live).await;
    assert_eq!(house.post("/v1/predict", br#"{"x": 5}"#).await.0, 200);
    for page in ["/.bowsprit/alive", "/.bowsprit/health"] {
        let answer = house.send_as(None, Method::GET, page, b"").await;
        assert_eq!(answer.status().as_u16(), 200, "{page}");
    }
    // A container that starts anew needs nobody.
    let given = bot.given.load(Ordering::Relaxed);
    house.kill();
    std::fs::remove_file(house.path("live.json")).unwrap();
    start(&mut house, &bot);
    house.settled(1, RolloutPhase::Live).await;
    assert_eq!(bot.given.load(Ordering::Relaxed), given);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_whose_image_has_everything_needs_no_bot() {
    let mut house = House::empty();
    let mut order = house.order(1, &Release::good("r1", 10));
    mount(&house, &order.door);
    order.door.keys.clear();
    let server = order.server.as_mut().unwrap();
    let (code, models) = (house.path("srv/code"), house.path("srv/models"));
    std::fs::create_dir_all(models.join("adder")).unwrap();
    let weights = models.join("adder/offset.txt");
    std::fs::copy(&server.models[0].sources[0].uri, &weights).unwrap();
    let snapshot = std::fs::File::open(&server.snapshot.uri).unwrap();
    tar::Archive::new(snapshot).unpack(&code).unwrap();
    server.in_image = Some(InImage {
        models: models.to_str().unwrap().to_owned(),
    });
    let start = |house: &mut House| {
        let mut command = house.command();
        command
            .args([
                "--order",
                "order-r1.json",
                "--listen",
                "127.0.0.1:0",
                "--secrets",
            ])
            .arg(house.path("secrets"))
            .current_dir(&code);
        house.start_as(command);
    };
    // The cluster may bring the order a little later than the pod.
    start(&mut house);
    house.write(
        "secrets/order-r1.json",
        &serde_json::to_string(&order).unwrap(),
    );
    house.settled(1, RolloutPhase::Live).await;
    assert_eq!(house.post("/v1/predict", br#"{"x": 5}"#).await.0, 200);
    // The weights in the image are held against the order before every start.
    house.kill();
    std::fs::write(&weights, "11").unwrap();
    std::fs::remove_file(house.path("kept.json")).unwrap();
    std::fs::remove_file(house.path("live.json")).unwrap();
    start(&mut house);
    assert_eq!(house.ended().await, Some(i32::from(UNFIT)));
    let reason = house.live().unwrap().reason.unwrap();
    assert!(
        reason.contains("`offset.txt` of model `adder` has changed"),
        "{reason}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_answers_otherwise_ends_its_pod() {
    let mut house = House::empty();
    let wrong = Release {
        expected: 99,
        ..Release::good("r1", 10)
    };
    let order = house.order(1, &wrong);
    let bot = Bot::new(&order);
    mount(&house, &order.door);
    // Again as the first time: a container that starts anew tries anew.
    for _ in 0..2 {
        start(&mut house, &bot);
        assert_eq!(house.ended().await, Some(i32::from(UNFIT)));
        let reason = house.live().unwrap().reason.unwrap();
        assert!(reason.contains("3 of 3 samples"), "{reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_fetched_whole_is_not_served() {
    let mut house = House::empty();
    let order = house.order(1, &Release::good("r1", 10));
    let bot = Bot::new(&order);
    mount(&house, &order.door);
    let files = |name: &str| name.starts_with("/files/");
    for (name, bytes) in bot.shelf.lock().unwrap().iter_mut() {
        if files(name) {
            bytes.push(b'x');
        }
    }
    start(&mut house, &bot);
    assert_eq!(house.ended().await, Some(i32::from(UNFETCHED)));
    assert!(house.live().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_asked_to_end_answers_until_requests_go_elsewhere() {
    let mut house = House::empty();
    let order = house.order(1, &Release::good("r1", 10));
    let bot = Bot::new(&order);
    mount(&house, &order.door);
    start(&mut house, &bot);
    house.settled(1, RolloutPhase::Live).await;
    house.terminate();
    loop {
        let health = house
            .send_as(None, Method::GET, "/.bowsprit/health", b"")
            .await;
        if health.status().as_u16() == 503 {
            assert_eq!(health.headers()["connection"], "close");
            break;
        }
    }
    let answer = house
        .send(Method::POST, "/v1/predict", br#"{"x": 5}"#)
        .await;
    assert_eq!(answer.status().as_u16(), 200);
    assert_eq!(answer.headers()["connection"], "close");
    assert_eq!(house.ended().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_change_without_a_new_pod() {
    let mut house = House::empty();
    let order = house.order(1, &Release::good("r1", 10));
    let bot = Bot::new(&order);
    mount(&house, &order.door);
    start(&mut house, &bot);
    house.settled(1, RolloutPhase::Live).await;
    let other = DoorSpec {
        keys: vec![Digest::of(b"another key")],
        ..order.door
    };
    mount(&house, &other);
    let mut answers = Vec::new();
    while answers.last() != Some(&401) {
        let answer = house.send_as(Some(KEY), Method::GET, "/which", b"").await;
        answers.push(answer.status().as_u16());
    }
    let answer = house
        .send_as(Some("another key"), Method::GET, "/which", b"")
        .await;
    assert_eq!(answer.status().as_u16(), 200);
    assert!(answers.iter().all(|status| [200, 401].contains(status)));
    eventually("it is still the same server", || {
        house.live().filter(|live| live.generation == 1)
    })
    .await;
    assert_eq!(house.metric_as("another key", "switches_total").await, 1);
}
