//! Which drivers this build has.

use pool_api::Driver;

/// The drivers that were compiled in, by the cargo features `loopback`, `ec2`, `azure`, `gce`.
pub fn drivers() -> Vec<Box<dyn Driver>> {
    vec![
        #[cfg(feature = "azure")]
        Box::new(driver_azure::AzureDriver),
        #[cfg(feature = "ec2")]
        Box::new(driver_ec2::Ec2Driver),
        #[cfg(feature = "gce")]
        Box::new(driver_gce::GceDriver),
        #[cfg(feature = "loopback")]
        Box::new(driver_loopback::LoopbackDriver),
    ]
}

/// No driver of that name was compiled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no driver {name:?} in this build, which has: {}", known.join(", "))]
pub struct UnknownDriver {
    /// What was asked for.
    pub name: String,
    /// What there is.
    pub known: Vec<&'static str>,
}

/// The driver of a name.
///
/// # Errors
/// [`UnknownDriver`], with the names that there are.
pub fn driver(name: &str) -> Result<Box<dyn Driver>, UnknownDriver> {
    let mut known = Vec::new();
    for driver in drivers() {
        if driver.name() == name {
            return Ok(driver);
        }
        known.push(driver.name());
    }
    Err(UnknownDriver { name: name.to_owned(), known })
}
