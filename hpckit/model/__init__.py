"""Bags, sites, tasks and plans as frozen data, and how their files are read."""
