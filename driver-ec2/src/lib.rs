//! Amazon EC2 behind the driver contract.
