//! The shop's answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};

use super::catalogue::{self, PAGE, PRODUCTS, Product};
use super::contention::Contention;
use super::cpu_profile::{self, CpuProfileError};
use super::metrics::{Metrics, route_of};
use super::pricing::{fitting_candidates, reprice};
use super::settings::{self, Change, Settings, Switch};
use super::stock::{NotReserved, Stock};

/// Largest body of a request.
const MAX_BODY: usize = 64 << 10;

/// Everything the handlers share.
#[derive(Debug)]
pub(super) struct Shop {
    products: Vec<Product>,
    /// Prices tried per product when they are worked out anew.
    candidates: u32,
    stock: Stock,
    contention: Arc<Contention>,
    metrics: Metrics,
    pub(super) settings: Settings,
}

impl Shop {
    /// Opens the shop. Takes some 50 ms to measure how fast this machine is.
    pub(super) fn new() -> Self {
        let products = catalogue::products();
        let contention = Arc::new(Contention::default());
        Self {
            candidates: fitting_candidates(&products),
            products,
            stock: Stock::new(Arc::clone(&contention)),
            contention,
            metrics: Metrics::default(),
            settings: Settings::default(),
        }
    }
}

type SharedShop = State<Arc<Shop>>;
type Answer = Result<Response, (StatusCode, String)>;

/// All routes.
pub(super) fn router(shop: Arc<Shop>) -> Router {
    Router::new()
        .route("/products", get(list_products))
        .route("/products/{id}", get(show_product))
        .route("/cart", post(put_in_cart))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/metrics", get(show_metrics))
        .route("/debug/pprof/", get(|| async { "profile?seconds=N\nmutex\n" }))
        .route("/debug/pprof/profile", get(take_cpu_profile))
        .route("/debug/pprof/mutex", get(show_contention))
        .route("/admin/set", post(change_settings))
        .layer(middleware::from_fn_with_state(Arc::clone(&shop), count))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(shop)
}

async fn count(State(shop): SharedShop, request: Request, next: Next) -> Response {
    let route = route_of(request.uri().path());
    let start = Instant::now();
    let response = next.run(request).await;
    shop.metrics.observe(route, response.status().as_u16(), start.elapsed());
    response
}

#[derive(Deserialize)]
struct PageQuery {
    #[serde(default = "first_page")]
    page: u32,
}

const fn first_page() -> u32 {
    1
}

#[derive(Serialize)]
struct Page<'a> {
    page: u32,
    pages: u32,
    items: Vec<Item<'a>>,
}

#[derive(Serialize)]
struct Item<'a> {
    id: u32,
    name: &'a str,
    description: &'a str,
    price: u32,
    available: u32,
}

async fn list_products(State(shop): SharedShop, Query(query): Query<PageQuery>) -> Answer {
    let pages = PRODUCTS.div_ceil(PAGE);
    if !(1..=pages).contains(&query.page) {
        return Err((StatusCode::NOT_FOUND, format!("there are pages 1 to {pages}\n")));
    }
    json(StatusCode::OK, &tokio::task::block_in_place(|| shop.page(query.page, pages)))
}

impl Shop {
    fn page(&self, page: u32, pages: u32) -> Page<'_> {
        let from = ((page - 1) * PAGE) as usize;
        let products: Vec<&Product> = self.products.iter().skip(from).take(PAGE as usize).collect();
        let prices = if self.settings.is_on(Switch::Reprice) {
            reprice(&products, self.candidates)
        } else {
            products.iter().map(|p| p.price).collect()
        };
        let available = self.stock.available(products.iter().map(|p| p.id));
        let items =
            products.into_iter().zip(prices).zip(available).map(|((p, price), left)| p.item(price, left));
        Page { page, pages, items: items.collect() }
    }
}

impl Product {
    fn item(&self, price: u32, available: u32) -> Item<'_> {
        Item { id: self.id, name: &self.name, description: &self.description, price, available }
    }
}

async fn show_product(State(shop): SharedShop, Path(id): Path<u32>) -> Answer {
    let product = shop
        .products
        .get(id as usize)
        .ok_or_else(|| (StatusCode::NOT_FOUND, format!("there are products 0 to {}\n", PRODUCTS - 1)))?;
    let available = tokio::task::block_in_place(|| shop.stock.available(std::iter::once(id)));
    json(StatusCode::OK, &product.item(product.price, available[0]))
}

#[derive(Deserialize)]
struct Order {
    product: u32,
    quantity: u32,
}

#[derive(Serialize)]
struct Reserved {
    product: u32,
    reserved: u32,
    left: u32,
}

async fn put_in_cart(State(shop): SharedShop, body: Bytes) -> Answer {
    let order: Order = serde_json::from_slice(&body).map_err(|e| {
        (StatusCode::BAD_REQUEST, format!("write {{\"product\": id, \"quantity\": n}}: {e}\n"))
    })?;
    let audited = shop.settings.is_on(Switch::StockAudit);
    let left = tokio::task::block_in_place(|| shop.stock.reserve(order.product, order.quantity, audited));
    match left {
        Ok(left) => {
            let reserved = Reserved { product: order.product, reserved: order.quantity, left };
            json(StatusCode::CREATED, &reserved)
        }
        Err(NotReserved::Unknown) => Err((StatusCode::NOT_FOUND, "there is no such product\n".into())),
        Err(NotReserved::SoldOut) => Err((StatusCode::CONFLICT, "not enough is left\n".into())),
    }
}

async fn show_metrics(State(shop): SharedShop) -> impl IntoResponse {
    let live_tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], shop.metrics.text(live_tasks))
}

#[derive(Deserialize)]
struct ProfileQuery {
    seconds: Option<String>,
}

async fn take_cpu_profile(Query(query): Query<ProfileQuery>) -> Answer {
    let seconds = query.seconds.as_deref().unwrap_or("30").parse().ok().filter(|s| (1..=60).contains(s));
    let Some(seconds) = seconds else {
        return Err((StatusCode::BAD_REQUEST, "seconds must be a whole number from 1 to 60\n".into()));
    };
    match cpu_profile::record(Duration::from_secs(seconds)).await {
        Ok(profile) => Ok(binary(tokio::task::block_in_place(|| profile.encode()))),
        Err(e @ (CpuProfileError::InUse | CpuProfileError::Failed(_))) => {
            Err((StatusCode::INTERNAL_SERVER_ERROR, format!("{e}\n")))
        }
    }
}

async fn show_contention(State(shop): SharedShop) -> Response {
    binary(tokio::task::block_in_place(|| shop.contention.profile().encode()))
}

async fn change_settings(State(shop): SharedShop, Query(pairs): Query<Vec<(String, String)>>) -> Answer {
    let change = Change::read(&pairs).map_err(|e| (StatusCode::BAD_REQUEST, format!("{e}\n")))?;
    for (switch, on) in change.switches {
        if change.after.is_zero() {
            shop.settings.set(switch, on);
        } else {
            tokio::spawn(settings::later(Arc::clone(&shop), switch, on, change.after));
        }
    }
    Ok("ok\n".into_response())
}

fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    let body = serde_json::to_vec(value).map_err(|e| (StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))?;
    Ok((status, [(header::CONTENT_TYPE, "application/json")], body).into_response())
}

fn binary(body: Vec<u8>) -> Response {
    const TYPE: (HeaderName, &str) = (header::CONTENT_TYPE, "application/octet-stream");
    ([TYPE], body).into_response()
}
