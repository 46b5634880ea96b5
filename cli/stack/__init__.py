"""The whole service on one machine: real servers out of wheels and one supervised process per role."""
