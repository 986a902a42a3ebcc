//! A stand-in for Azure's Resource Manager.
