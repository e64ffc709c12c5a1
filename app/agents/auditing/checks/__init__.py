"""The checks that come with Watchkeeper. Each is a plugin as others write them."""
