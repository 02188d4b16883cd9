"""What the tests share: indexes, wheels, engines, brokers and clusters that they make."""
