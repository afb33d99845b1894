"""What operations are made of: register tiles, and the products, panels and copies over them."""
