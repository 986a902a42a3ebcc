//! What spot instances have cost.

use crate::{Ec2Error, error::from_sdk, pages::Pages, tags};
use aws_sdk_ec2::{Client, primitives::DateTime, types::SpotPrice};
use pool_api::{HourlyPrice, PriceChange, ProviderType};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};
use tokio::{task::JoinHandle, time::Instant};

/// AWS states the prices of volumes for a month of 730 hours.
const HOURS_PER_MONTH: u64 = 730;

/// What so many GiB cost for an hour, if one costs so much for a month.
pub(crate) fn per_hour(gib_month: HourlyPrice, gib: u64) -> HourlyPrice {
    HourlyPrice::from_micros(gib_month.as_micros().saturating_mul(gib) / HOURS_PER_MONTH)
}

/// Where a spot price is made.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct SpotMarket {
    pub(crate) provider_type: ProviderType,
    pub(crate) zone: String,
}

/// The spot prices that are known. They are asked for in the background, so that no list waits for them.
#[derive(Debug, Default)]
pub(crate) struct Prices(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// By market and by when each price began.
    known: BTreeMap<SpotMarket, BTreeMap<SystemTime, HourlyPrice>>,
    asked: Option<Instant>,
    task: Option<JoinHandle<()>>,
    stopped: bool,
}

impl Prices {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What an instance of this market has cost since then, with `extra` added; oldest first.
    pub(crate) fn history(
        &self,
        market: &SpotMarket,
        since: SystemTime,
        extra: HourlyPrice,
    ) -> Vec<PriceChange> {
        let inner = self.lock();
        let Some(known) = inner.known.get(market) else { return Vec::new() };
        // The price that held at the beginning began before it.
        let first = known.range(..=since).next_back().map(|(_, price)| (since, *price));
        let later = known.iter().filter(|(began, _)| **began > since).map(|(began, price)| (*began, *price));
        first
            .into_iter()
            .chain(later)
            .map(|(since, price)| PriceChange { since, price: price + extra })
            .collect()
    }

    /// Takes in what EC2 says, and forgets what no instance needs: prices that were replaced before `oldest`, and
    /// other markets.
    fn learn(&self, markets: &BTreeSet<SpotMarket>, oldest: SystemTime, answer: &[SpotPrice]) {
        let mut inner = self.lock();
        for entry in answer {
            if let Some((market, began, price)) = read(entry) {
                inner.known.entry(market).or_default().insert(began, price);
            }
        }
        inner.known.retain(|market, prices| {
            if let Some((began, _)) = prices.range(..=oldest).next_back() {
                let began = *began;
                *prices = prices.split_off(&began);
            }
            markets.contains(market)
        });
    }

    /// Starts to ask for the prices of these markets since then, if the interval has passed since it was last done.
    pub(crate) fn refresh(
        self: &Arc<Self>,
        client: &Client,
        interval: Duration,
        markets: BTreeSet<SpotMarket>,
        oldest: SystemTime,
    ) {
        if interval.is_zero() || markets.is_empty() {
            return;
        }
        let mut inner = self.lock();
        let due = inner.asked.is_none_or(|asked| asked.elapsed() >= interval);
        let busy = inner.task.as_ref().is_some_and(|task| !task.is_finished());
        if inner.stopped || busy || !due {
            return;
        }
        inner.asked = Some(Instant::now());
        let (prices, client) = (Arc::clone(self), client.clone());
        inner.task = Some(tokio::spawn(async move {
            match ask(&client, &markets, oldest).await {
                Ok(answer) => prices.learn(&markets, oldest, &answer),
                // The configured price holds meanwhile.
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "spot prices are not known");
                }
            }
        }));
    }

    /// Ends what goes on in the background.
    pub(crate) async fn stop(&self) {
        let task = {
            let mut inner = self.lock();
            inner.stopped = true;
            inner.task.take()
        };
        if let Some(task) = task {
            task.abort();
            // Aborted or ended: both are what is wanted.
            let _ = task.await;
        }
    }
}

fn read(entry: &SpotPrice) -> Option<(SpotMarket, SystemTime, HourlyPrice)> {
    let provider_type = ProviderType::new(entry.instance_type()?.as_str()).ok()?;
    let market = SpotMarket { provider_type, zone: entry.availability_zone()?.to_owned() };
    let began = SystemTime::try_from(*entry.timestamp()?).ok()?;
    let price = HourlyPrice::try_from(entry.spot_price()?.parse::<f64>().ok()?).ok()?;
    Some((market, began, price))
}

async fn ask(
    client: &Client,
    markets: &BTreeSet<SpotMarket>,
    oldest: SystemTime,
) -> Result<Vec<SpotPrice>, Ec2Error> {
    let types: BTreeSet<&str> = markets.iter().map(|market| market.provider_type.as_str()).collect();
    let zones: BTreeSet<&str> = markets.iter().map(|market| market.zone.as_str()).collect();
    let in_zones = tags::filter("availability-zone", zones);
    let mut pages = Pages::of("DescribeSpotPriceHistory");
    while pages.wants_more() {
        let call = client
            .describe_spot_price_history()
            .set_instance_types(Some(types.iter().map(|name| (*name).into()).collect()))
            .filters(in_zones.clone())
            .product_descriptions("Linux/UNIX")
            .start_time(DateTime::from(oldest))
            .set_next_token(pages.token());
        let answer = call.send().await.map_err(|error| from_sdk(pages.call(), error))?;
        pages.add(answer.spot_price_history.unwrap_or_default(), answer.next_token)?;
    }
    Ok(pages.into_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn market(zone: &str) -> SpotMarket {
        SpotMarket { provider_type: ProviderType::new("m5.large").unwrap(), zone: zone.into() }
    }

    fn entry(zone: &str, seconds: u64, price: &str) -> SpotPrice {
        SpotPrice::builder()
            .instance_type("m5.large".into())
            .availability_zone(zone)
            .timestamp(DateTime::from(at(seconds)))
            .spot_price(price)
            .build()
    }

    fn changes(changes: &[(u64, f64)]) -> Vec<PriceChange> {
        changes
            .iter()
            .map(|(since, price)| PriceChange {
                since: at(*since),
                price: HourlyPrice::try_from(*price).unwrap(),
            })
            .collect()
    }

    #[test]
    fn an_instance_s_history_begins_with_it_and_has_the_scratch_in_it() {
        let prices = Prices::default();
        let markets = [market("a"), market("b")].into();
        let answer = [
            entry("a", 300, "0.3"),
            entry("a", 200, "0.2"),
            entry("a", 100, "0.1"),
            entry("b", 150, "9"),
            entry("a", 400, "dear"),
        ];
        prices.learn(&markets, at(50), &answer);
        let extra = HourlyPrice::try_from(1.0).unwrap();
        assert_eq!(prices.history(&market("a"), at(250), extra), changes(&[(250, 1.2), (300, 1.3)]));
        assert_eq!(
            prices.history(&market("a"), at(50), HourlyPrice::ZERO),
            changes(&[(100, 0.1), (200, 0.2), (300, 0.3)])
        );
        assert_eq!(prices.history(&market("c"), at(50), extra), []);
    }

    #[test]
    fn what_no_instance_needs_is_forgotten() {
        let prices = Prices::default();
        let answer =
            [entry("a", 100, "0.1"), entry("a", 200, "0.2"), entry("a", 300, "0.3"), entry("b", 1, "1")];
        prices.learn(&[market("a"), market("b")].into(), at(0), &answer);
        prices.learn(&[market("a")].into(), at(250), &[]);
        assert_eq!(
            prices.history(&market("a"), at(0), HourlyPrice::ZERO),
            changes(&[(200, 0.2), (300, 0.3)])
        );
        assert_eq!(prices.history(&market("b"), at(5), HourlyPrice::ZERO), []);
    }

    #[test]
    fn volumes_are_paid_for_by_the_month() {
        let per_gib = HourlyPrice::try_from(0.073).unwrap();
        assert_eq!(per_hour(per_gib, 100).as_f64(), 0.01);
        assert_eq!(per_hour(per_gib, 0), HourlyPrice::ZERO);
    }
}
