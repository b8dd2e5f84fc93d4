"""The long work of training, done in workers. Modules here import torch inside their functions only."""
