//! A small shop over HTTP/1.1 that takes nothing on trust: every request must carry the key of the setup, the
//! token of its own login, the cookie of its own user and the values of its own record. What does not is answered
//! with an error and written down.

#![allow(unreachable_pub, reason = "one test file uses it")]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

/// What the setup request must send; given to the run through its environment.
pub const SHOP_KEY: &str = "setup-key-Zq81";
/// What no file of a run may hold: beginnings of passwords, tokens and cookies, and the key.
pub const SECRETS: [&str; 5] = [SHOP_KEY, "pass-Xk42-", "token-Vw73-", "cookie-Hj96-", "opened-Rt55"];
/// What setup extracts.
const OPENED: &str = "opened-Rt55";
/// The pause between the search and the order, at least.
pub const PAUSE: Duration = Duration::from_millis(20);
/// Customers and their cities; some must be escaped in a path. (`&`, `=`, `%` and `+` would stand for themselves: a
/// value may be a whole query.)
pub const CUSTOMERS: [(&str, &str); 8] = [
    ("ann", "Oslo"),
    ("bob", "New York"),
    ("cy", "Köln"),
    ("dee", "<a> {b} |c|"),
    ("eve", "x, y"),
    ("fay", "a/b?c#d"),
    ("guy", "東京"),
    ("hal", "Rome"),
];

/// The feeder's file.
pub fn customers() -> String {
    let row = |(id, city): &(&str, &str)| format!("{id},\"{city}\",pass-Xk42-{id}\n");
    format!("id,city,password\n{}", CUSTOMERS.iter().map(row).collect::<String>())
}

/// What the shop has counted.
#[derive(Clone, Debug, Default)]
pub struct Books {
    pub setups: u64,
    pub logins: HashMap<String, u64>,
    pub searches: u64,
    /// Orders that were taken, and answered with a redirect.
    pub orders: u64,
    /// Orders shown, after the redirect.
    pub shown: u64,
    /// Those of them without a price.
    pub priceless: u64,
    /// Requests that were not as they must be.
    pub wrong: Vec<String>,
    sessions: HashMap<String, Session>,
    /// The last cookie of each customer.
    cookies: HashMap<String, String>,
    /// Who placed each order.
    placed: Vec<String>,
}

#[derive(Clone, Debug)]
struct Session {
    customer: String,
    cookie: String,
    searched: Option<Instant>,
}

/// A running shop.
pub struct Shop {
    pub url: String,
    books: Arc<Mutex<Books>>,
}

impl Shop {
    /// `users_stay`: a customer is always the same user, who comes back with the cookie of the last time; otherwise
    /// nobody comes with a cookie.
    pub fn start(users_stay: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let books = Arc::new(Mutex::new(Books::default()));
        let kept = Arc::clone(&books);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let books = Arc::clone(&kept);
                thread::spawn(move || serve(stream, &books, users_stay));
            }
        });
        Self { url, books }
    }

    pub fn books(&self) -> Books {
        lock(&self.books).clone()
    }
}

fn lock(books: &Mutex<Books>) -> MutexGuard<'_, Books> {
    books.lock().expect("no connection panics")
}

/// A request as it came.
struct Asked {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Asked {
    fn read(input: &mut impl BufRead) -> Option<Self> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if input.read_line(&mut line).ok()? == 0 {
                return None;
            }
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let mut first = lines.first()?.split(' ');
        let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
        let header = |line: &String| {
            line.split_once(':').map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        };
        let mut asked = Self {
            method,
            path,
            headers: lines.iter().skip(1).filter_map(header).collect(),
            body: String::new(),
        };
        let length = asked.header("content-length").parse().unwrap_or(0);
        input.take(length).read_to_string(&mut asked.body).ok()?;
        Some(asked)
    }

    /// A header's value; empty if it is not there.
    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }

    fn json(&self, key: &str) -> String {
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_default();
        body[key].as_str().unwrap_or_default().to_owned()
    }

    /// A parameter of the query, as a form means it.
    fn query(&self, key: &str) -> String {
        let base = url::Url::parse("http://shop").expect("a URL");
        let url = base.join(&self.path).expect("a path");
        url.query_pairs().find(|(k, _)| k == key).map_or_else(String::new, |(_, v)| v.into_owned())
    }
}

/// An answer: status, further headers, body.
type Answer = (&'static str, String, String);

fn serve(stream: TcpStream, books: &Mutex<Books>, users_stay: bool) {
    let _ = stream.set_nodelay(true);
    let Ok(mut out) = stream.try_clone() else { return };
    let mut input = BufReader::new(stream);
    while let Some(asked) = Asked::read(&mut input) {
        let (status, headers, body) = if asked.header("traceparent").is_empty() {
            // The question before the run.
            ("200 OK", String::new(), String::new())
        } else {
            let mut books = lock(books);
            books.answer(&asked, users_stay).unwrap_or_else(|wrong| {
                books.wrong.push(format!("{} {}: {wrong}", asked.method, asked.path));
                ("400 Bad Request", String::new(), String::new())
            })
        };
        let answer = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len());
        if out.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

impl Books {
    fn answer(&mut self, asked: &Asked, users_stay: bool) -> Result<Answer, String> {
        let path = asked.path.split('?').next().unwrap_or_default();
        match (asked.method.as_str(), path) {
            ("POST", "/open") => self.open(asked),
            _ if asked.header("x-shop") != OPENED => Err("without what setup extracted".into()),
            ("POST", "/login") => self.login(asked, users_stay),
            ("GET", "/search") => self.search(asked),
            ("POST", path) if path.starts_with("/orders/product-") => self.order(asked),
            ("GET", path) if path.starts_with("/orders/") => self.show(asked),
            _ => Err("nothing is there".into()),
        }
    }

    fn open(&mut self, asked: &Asked) -> Result<Answer, String> {
        if asked.json("key") != SHOP_KEY || !self.logins.is_empty() {
            return Err("not the key, or not before the load".into());
        }
        self.setups += 1;
        Ok(("200 OK", String::new(), format!(r#"{{"shop": "{OPENED}"}}"#)))
    }

    fn login(&mut self, asked: &Asked, users_stay: bool) -> Result<Answer, String> {
        let customer = asked.json("user");
        if asked.json("password") != format!("pass-Xk42-{customer}") {
            return Err(format!("not the password of {customer}"));
        }
        let before = self.cookies.get(&customer).filter(|_| users_stay).map_or("", |c| c);
        if asked.header("cookie") != before {
            return Err(format!("{customer} comes with `{}` instead of `{before}`", asked.header("cookie")));
        }
        let n = self.sessions.len();
        let (token, cookie) = (format!("token-Vw73-{n}"), format!("who=cookie-Hj96-{n}"));
        *self.logins.entry(customer.clone()).or_default() += 1;
        self.cookies.insert(customer.clone(), cookie.clone());
        let session = Session { customer, cookie: cookie.clone(), searched: None };
        self.sessions.insert(token.clone(), session);
        let headers = format!("set-cookie: {cookie}; Path=/; HttpOnly\r\n");
        Ok(("200 OK", headers, format!(r#"{{"token": "{token}"}}"#)))
    }

    /// The session of the request's token, if the cookie is of the same one.
    fn session(&mut self, asked: &Asked) -> Result<&mut Session, String> {
        let token = asked.header("authorization").strip_prefix("Bearer ").unwrap_or_default();
        let session = self.sessions.get_mut(token).ok_or_else(|| format!("token `{token}` is unknown"))?;
        match asked.header("cookie") {
            cookie if cookie == session.cookie => Ok(session),
            cookie => Err(format!("cookie `{cookie}` with the token of {}", session.customer)),
        }
    }

    fn search(&mut self, asked: &Asked) -> Result<Answer, String> {
        let city = asked.query("city");
        let session = self.session(asked)?;
        let customer = session.customer.clone();
        if !CUSTOMERS.contains(&(customer.as_str(), city.as_str())) {
            return Err(format!("{customer} is not of `{city}`"));
        }
        session.searched = Some(Instant::now());
        self.searches += 1;
        Ok(("200 OK", String::new(), format!(r#"{{"items": [{{"id": "product-{customer}"}}]}}"#)))
    }

    fn order(&mut self, asked: &Asked) -> Result<Answer, String> {
        let product = asked.path.rsplit('/').next().unwrap_or_default().to_owned();
        let session = self.session(asked)?;
        let customer = session.customer.clone();
        if product != format!("product-{customer}") || asked.json("customer") != customer {
            return Err(format!("{customer} did not find `{product}`"));
        }
        let searched = session.searched.take().ok_or("no search before the order")?;
        if searched.elapsed() < PAUSE {
            return Err(format!("only {:?} after the search", searched.elapsed()));
        }
        self.orders += 1;
        self.placed.push(customer);
        Ok(("303 See Other", format!("location: /orders/{}\r\n", self.placed.len() - 1), String::new()))
    }

    /// Every fourth order has no price. The cookie is not asked for: the request after a redirect comes without it.
    fn show(&mut self, asked: &Asked) -> Result<Answer, String> {
        let customer = self.session(asked)?.customer.clone();
        let number = asked.path.rsplit('/').next().and_then(|n| n.parse::<usize>().ok());
        let number = number.filter(|n| self.placed.get(*n) == Some(&customer)).ok_or("not that order")?;
        self.shown += 1;
        let price = if number % 4 == 3 { "0" } else { "9.5" };
        self.priceless += u64::from(number % 4 == 3);
        Ok(("200 OK", String::new(), format!(r#"{{"customer": "{customer}", "price": {price}}}"#)))
    }
}
